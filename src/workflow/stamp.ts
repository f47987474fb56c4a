// Stamps: headers that each task of a workflow carries, for workers and monitors.
import { ConfigError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { celeryHeaders } from '../protocol/task-v2.ts';
import { mapTasks, type Role } from './map-tasks.ts';

/** Stamps by name. */
export type Stamps = Json;

/** Returns the stamps of each task. `role`: the task's role in the workflow. */
export interface StampingVisitor {
  /** Called with each signature of the workflow; returns the stamps that it gets. */
  onSignature(
    task: Pick<WireSignature, 'task' | 'args' | 'kwargs' | 'options'>,
    role: Role,
  ): Stamps | null | undefined;
}

/**
 * The same workflow with stamps on its parts and their callbacks.
 * @throws ConfigError for a stamp with the name of a header or an option
 */
export function stamped(signature: WireSignature, stamps: Stamps | StampingVisitor): WireSignature {
  const visitor: StampingVisitor = isVisitor(stamps) ? stamps : { onSignature: () => stamps };
  return mapTasks(signature, (task, role) => {
    const given = visitor.onSignature(task, role);
    if (!given) return task;
    const names = Object.keys(given);
    for (const name of names) checkStamp(name, task.options);
    const { stamped_headers: known } = task.options;
    const all = [...new Set([...(Array.isArray(known) ? known : []), ...names])];
    return { ...task, options: { ...task.options, ...given, stamped_headers: all } };
  });
}

/** The same workflow with the stamps of the task that it belongs to; a part's own stamps take precedence. */
export function withStampsOf(signature: WireSignature, stamps: Stamps): WireSignature {
  const given = Object.entries(stamps).filter(([name]) => !isTaken(name));
  if (given.length === 0) return signature;
  return stamped(signature, {
    onSignature: ({ options }) => Object.fromEntries(given.filter(([name]) => !(name in options))),
  });
}

function isVisitor(stamps: Stamps | StampingVisitor): stamps is StampingVisitor {
  return typeof stamps.onSignature === 'function';
}

/** Celery writes stamps among the options; a stamp must not be taken for one. */
function checkStamp(name: string, options: Json): void {
  const { stamped_headers: known } = options;
  const isStamp = Array.isArray(known) && known.includes(name);
  if (isTaken(name) || (name in options && !isStamp))
    throw new ConfigError(
      `a stamp cannot be named '${name}', which means something else in a call's options`,
    );
}

function isTaken(name: string): boolean {
  return celeryHeaders.has(name) || taken.has(name);
}

const taken: ReadonlySet<string> = new Set([
  'task_id',
  'queue',
  'exchange',
  'routing_key',
  'priority',
  'countdown',
  'link',
  'link_error',
  'chain',
  'chord',
  'headers',
  'serializer',
  'reply_to',
  'time_limit',
  'soft_time_limit',
  'ignore_result',
  'stamped_headers',
]);
