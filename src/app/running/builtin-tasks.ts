// The tasks that every Celery worker has, under Celery's names. Python programs, and our own workflows, send them.

import { UnknownTaskError, WorkflowError } from '../../errors.ts';
import type { Json } from '../../protocol/message.ts';
import { celeryTask } from '../../protocol/workflow-wire.ts';
import {
  chordOf,
  groupOf,
  groupOfChunks,
  headerOf,
  readSignature,
  taskSignature,
} from '../../workflow/construct.ts';
import { named } from '../../workflow/python-arguments.ts';
import { sendWorkflow } from '../../workflow/send-workflow.ts';
import type { App } from '../app.ts';
import type { AnyTask, BoundTask } from '../task.ts';
import { resolveTaskOptions } from '../task-options.ts';
import { callInPlace } from './call-in-place.ts';

/**
 * The built-in task of this name; `undefined`: there is none. Built-in tasks are not in `app.tasks`. A task that the application defines
 * under one of these names takes precedence.
 */
export function builtinTask(app: App, name: string): AnyTask | undefined {
  const known = made.get(app)?.get(name);
  if (known !== undefined) return known;
  const body = bodies.get(name);
  if (body === undefined) return undefined;
  const ignoreResult = name === celeryTask.chordUnlock; // as in Celery
  const options = resolveTaskOptions(name, { bind: true, maxRetries: 0, ignoreResult }, app.config);
  const task: AnyTask = {
    name,
    app,
    options,
    takesCall: true,
    run: (task, args, kwargs) => body(task as BoundTask, args as readonly unknown[], kwargs as Json), // see takesCall
  };
  const ofApp = made.get(app) ?? new Map<string, AnyTask>();
  made.set(app, ofApp.set(name, task));
  return task;
}

const made = new WeakMap<App, Map<string, AnyTask>>();

type Body = (task: BoundTask, args: readonly unknown[], kwargs: Json) => unknown;

const bodies: ReadonlyMap<string, Body> = new Map<string, Body>([
  [
    celeryTask.accumulate,
    (_, args, { index }) => (typeof index === 'number' ? (args.at(index) ?? null) : args),
  ],
  [
    celeryTask.map,
    (task, args, kwargs) => callEach(task, named(args, kwargs, ['task', 'it']), (item) => [item]),
  ],
  [celeryTask.starmap, (task, args, kwargs) => callEach(task, named(args, kwargs, ['task', 'it']), listOf)],
  [
    celeryTask.chunks,
    async ({ app }, args, kwargs) => {
      const chunks = taskSignature(celeryTask.chunks, [], named(args, kwargs, ['task', 'it', 'n']));
      await sendWorkflow(app, groupOfChunks(chunks));
      return null;
    },
  ],
  [
    celeryTask.group,
    async ({ app }, args, kwargs) => {
      const { tasks, partial_args: partial } = named(args, kwargs, [
        'tasks',
        'result',
        'group_id',
        'partial_args',
      ]);
      await sendWorkflow(
        app,
        groupOf(listOf(tasks).map((each) => readSignature(each, 'a member of celery.group'))),
        {
          args: partial === undefined || partial === null ? [] : listOf(partial),
        },
      );
      return null;
    },
  ],
  [
    celeryTask.chord,
    async ({ app }, args, kwargs) => {
      const { header, body, partial_args: partial } = named(args, kwargs, ['header', 'body', 'partial_args']);
      const group = headerOf(taskSignature(celeryTask.chord, [], { header }));
      await sendWorkflow(app, chordOf(group, readSignature(body, 'the body of celery.chord')), {
        args: partial === undefined || partial === null ? [] : listOf(partial),
      });
      return null;
    },
  ],
  [
    celeryTask.chain,
    () => {
      throw new WorkflowError('chain is not a real task');
    },
  ],
  [
    celeryTask.chordUnlock,
    async (task, args, kwargs) => (await import('./unlock-chord.ts')).unlockChord(task, args, kwargs),
  ],
  ['celery.backend_cleanup', async ({ app }) => void (await (await app.backend())?.expire())],
]);

/** Calls a task with each of many items, in sequence, within the running task. */
async function callEach(
  running: BoundTask,
  { task: signature, it: items }: Json,
  argsOf: (item: unknown) => readonly unknown[],
): Promise<unknown[]> {
  const { task: name, args, kwargs } = readSignature(signature, `the task of ${running.name}`);
  const task = running.app.tasks.get(name);
  if (!task?.run) throw new UnknownTaskError(name, undefined);
  const results: unknown[] = [];
  for (const item of listOf(items)) {
    running.signal.throwIfAborted();
    results.push((await callInPlace(task, [...argsOf(item), ...args], kwargs)) ?? null);
  }
  return results;
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new WorkflowError('what is to be called for each is not a list');
}
