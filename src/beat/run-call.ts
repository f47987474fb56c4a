// The call and the options of one run of an entry.
import type { App } from '../app/app.ts';
import type { RunCall } from '../app/scheduled-send.ts';
import type { ScheduledRun } from '../config/beat-schedule.ts';
import type { CallOptions } from '../config/call-options.ts';
import { ConfigError } from '../errors.ts';
import type { Entry } from './entry.ts';

/** The call of a run; computed arguments are computed now. @throws what computing them throws */
export async function callOf(app: App, { name, call }: Entry, run: ScheduledRun): Promise<RunCall> {
  if (call.kind === 'signature') return { kind: 'signature', signature: call.signature };
  if (!call.computed) return call;
  const declared = app.schedules.get(name)?.call;
  if (declared?.kind !== 'task')
    throw new ConfigError(
      `the arguments of '${name}' are computed by code that is not here; load the application that declares it`,
    );
  const { args, kwargs } = declared;
  return {
    kind: 'task',
    task: call.task,
    args: typeof args === 'function' ? await args(run) : args,
    kwargs: typeof kwargs === 'function' ? await kwargs(run) : kwargs,
  };
}

export function optionsOf({ name, call }: Entry, taskId: string): CallOptions {
  const { options } = call;
  // The header that django-celery-beat and others look for.
  return { ...options, headers: { periodic_task_name: name, ...options.headers }, taskId };
}
