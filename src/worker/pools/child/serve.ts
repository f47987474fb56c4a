// The program of a child: loads the application, and runs its tasks in sequence.

import type { App } from '../../../app/app.ts';
import { loadApp } from '../../../app/load-app.ts';
import type { Outcome } from '../../../app/running/outcome.ts';
import { toRequest } from '../../../app/running/request.ts';
import { type RunContext, runHooks, runTask } from '../../../app/running/run.ts';
import { decodeOptions } from '../../../config/config.ts';
import { SoftTimeLimitExceeded, UmbelError } from '../../../errors.ts';
import { type Logger, type LogLevel, loggerOf } from '../../../lib/logger.ts';
import { decodeEnvelope } from '../../../protocol/envelope.ts';
import { encodeJson } from '../../../protocol/json.ts';
import type { TaskMessage, WireProperties } from '../../../protocol/message.ts';
import { decodeTask } from '../../../protocol/task.ts';
import { taskLogger } from '../../task-logger.ts';
import { Calls } from './calls.ts';
import type { ChildData, FromChild, IgnoredSignal, RunOrder, ToChild, WrittenEnd } from './messages.ts';
import { childStores } from './stores.ts';
import { writeChildren, writeOutcome } from './written.ts';

/** The connection to the worker. */
export interface ChildPort {
  post(message: FromChild): void;
  /** Adds a listener for the worker's messages. The first call starts their delivery. */
  listen(listener: (message: ToChild) => void): void;
  /** Ends this child. */
  leave(): void;
  /** Sends this process the signal, which ends it if the user's code does not listen for it. */
  raise(signal: IgnoredSignal): void;
}

export async function serve(port: ChildPort, data: ChildData): Promise<void> {
  const calls = new Calls((message) => port.post(message));
  let app: App;
  try {
    app = await loadApp(data.module, data.folder);
  } catch (error) {
    port.post({ kind: 'unfit', reason: error instanceof Error ? error.message : String(error) });
    return;
  }
  app.useStores({ ...childStores(data.stores, calls), history: null });
  const { hostname } = data;
  const logger = portLogger(port, data.logs);
  let stop: ((reason: Error) => void) | null = null;
  let fail: ((error: Error) => void) | null = null;
  process.on('uncaughtException', (error: unknown) => {
    const thrown = error instanceof Error ? error : new Error(String(error));
    if (fail !== null) fail(thrown);
    else log(port, 'error', thrown, `an uncaught exception, of no running task: ${thrown}`);
  });
  process.on('unhandledRejection', (reason) => {
    log(port, 'error', reason, `an unhandled rejection: ${String(reason)}`);
  });
  port.listen((message) => {
    if (calls.take(message)) return;
    if (message.kind === 'leave')
      void app.signals.workerProcessShutdown.send({ hostname }, logger).finally(() => port.leave());
    else if (message.kind === 'raise') port.raise(message.signal);
    else if (message.kind === 'abort') {
      const { name, message: text, seconds } = message;
      stop?.(
        name === 'SoftTimeLimitExceeded' && seconds !== null
          ? new SoftTimeLimitExceeded(seconds)
          : new UmbelError('UMBEL_STOPPED', text),
      );
    } else if (message.kind === 'run') {
      const abort = new AbortController();
      const failed = new Promise<Outcome>((resolve) => {
        fail = (error) => resolve({ kind: 'failure', error, expected: false });
      });
      stop = (reason) => abort.abort(reason);
      const running = run(app, message.run, data, calls, { signal: abort.signal, failed }, port);
      running
        .catch((error: unknown) => endOf(error, data))
        .then((end) => {
          stop = null;
          fail = null;
          port.post({ kind: 'end', end });
        })
        // A task has broken something that all code uses (JSON, for example): the only thing left to report is the end of this child.
        .catch(() => port.leave());
    }
  });
  await app.signals.workerProcessInit.send({ hostname }, logger);
  port.post({ kind: 'ready', tasks: app.tasks.names() });
}

/** Events that end a run from outside of its code. */
interface Interruptions {
  readonly signal: AbortSignal;
  /** A callback of the task threw outside of its promises. */
  readonly failed: Promise<Outcome>;
}

async function run(
  app: App,
  { envelope, queue, redelivered }: RunOrder,
  data: ChildData,
  calls: Calls,
  { signal, failed }: Interruptions,
  port: ChildPort,
): Promise<WrittenEnd> {
  const { message, properties } = readMessage(app, envelope);
  const place = { queue, redelivered, hostname: data.hostname, isEager: false, properties };
  const request = toRequest(message, place);
  const task = app.tasks.get(message.task);
  const fields = (): object => ({
    task_id: message.id,
    task_name: message.task,
    ...app.middleware.logFields(),
  });
  const logger = taskLogger(portLogger(port, data.logs), fields);
  const context: RunContext = {
    request,
    signal,
    logger,
    updateState: async (state, meta) => {
      await calls.ask({ what: 'state', state, meta: encodeJson(meta === undefined ? null : meta) });
    },
    // Posted in any case: the worker keeps it also if its log level hides it.
    log: (text) => port.post({ kind: 'log', level: 'info', fields: plain(fields()), text, ofTask: true }),
  };
  const outcome =
    task === undefined
      ? ({ kind: 'failure', error: new Error(unknownHere(message.task)), expected: false } as const)
      : await Promise.race([runTask(task, context), failed]);
  const written = writeOutcome(outcome);
  if (task !== undefined) {
    const failedLater = written.kind === 'failure' && outcome.kind !== 'failure';
    await runHooks(
      task,
      context,
      failedLater ? { kind: 'failure', error: new Error(written.failure.message), expected: false } : outcome,
    );
  }
  return { outcome: written, children: writeChildren(request.children), rss: weight(data) };
}

function weight({ weighs }: ChildData): number {
  return weighs ? process.memoryUsage.rss() : 0;
}

/** The end of a run that failed before its task began, or beside it. */
function endOf(error: unknown, data: ChildData): WrittenEnd {
  const failure = error instanceof Error ? error : new Error(String(error));
  const outcome = writeOutcome({ kind: 'failure', error: failure, expected: false });
  return { outcome, children: '[]', rss: weight(data) };
}

/** Decodes a message, which the worker decoded before with the same settings. */
function readMessage(
  app: App,
  envelope: string,
): { readonly message: TaskMessage; readonly properties: WireProperties | undefined } {
  const options = decodeOptions(app.config);
  const wire = decodeEnvelope(envelope);
  const message = wire.ok
    ? decodeTask(wire.value, { ...options, accept: [...options.accept, 'json'] })
    : wire;
  if (message.ok) return { message: message.value, properties: wire.ok ? wire.value.properties : undefined };
  throw new Error(`the message cannot be read in the pool's child: ${message.refusal.detail}`);
}

function log(port: ChildPort, level: LogLevel, thrown: unknown, text: string): void {
  port.post({ kind: 'log', level, fields: plain({ err: thrown }), text, ofTask: false });
}

function unknownHere(task: string): string {
  return `the pool's child knows no task '${task}': it is defined in none of the modules that it loads; import its module where the App is, or name it in 'include'`;
}

/** A logger whose lines the worker writes into its log. */
function portLogger(port: ChildPort, levels: readonly string[]): Logger {
  const isLevelEnabled = (level: string): boolean => levels.includes(level);
  const logger: Logger = loggerOf({
    log: (level, fields, text) => {
      if (isLevelEnabled(level)) port.post({ kind: 'log', level, fields: plain(fields), text, ofTask: true });
    },
    child: (fields) => taskLogger(logger, () => fields),
    isLevelEnabled,
  });
  return logger;
}

/** Fields as data that can be sent to the worker; an error becomes its description. */
function plain(fields: object): object {
  const entries = Object.entries(fields).map(([key, value]) => {
    if (value instanceof Error)
      return [key, { type: value.name, message: value.message, stack: value.stack }];
    try {
      return [key, structuredClone(value)];
    } catch {
      return [key, String(value)];
    }
  });
  return Object.fromEntries(entries);
}
