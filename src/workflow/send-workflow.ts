// Starts a workflow: plans, encodes, and publishes it in as few steps as possible.

import { PartlySentError, SendUnconfirmed, WorkflowError } from '../errors.ts';
import type { WireSignature } from '../protocol/message.ts';
import { type AsyncResult, toTuple } from '../results/async-result.ts';
import { taskScope } from '../results/task-scope.ts';
import { rulesOf } from '../sending/publish.ts';
import { type ReadyOptions, send } from '../sending/send.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Publication } from '../stores/transport.ts';
import { addressedParts } from './addressed-parts.ts';
import { writeManifest } from './chord-manifest.ts';
import { type LocalStart, planHere } from './plan-here.ts';
import type { Plan, PlannedChord } from './planned.ts';
import { preparedCalls } from './planned-calls.ts';
import { resultOf } from './result-of.ts';

/**
 * Sends a workflow; resolves when the broker holds its first messages.
 * @throws what `delay` throws: then nothing was sent. PartlySentError when it took several publications, and one of them failed.
 * WorkflowError for a chord where results are not kept in one place.
 */
export async function sendWorkflow<R>(
  app: SendingApp,
  signature: WireSignature,
  start: LocalStart = {},
): Promise<AsyncResult<R>> {
  const rules = rulesOf(app, start.sending ?? {});
  const draft = planHere(app, await addressedParts(app, signature, rules), start);
  await send(app, await preparedCalls(app, draft), {
    rules,
    ...storesBefore(app, draft),
    publish: async (publications, publish) => {
      await publishInWindows(
        (window) => publish(window, rulesOf(app, start.sending ?? {})), // each has the full time of a send
        start.guard === undefined ? publications : start.guard(publications),
      );
      return true;
    },
  });
  const result = resultOf<R>(app, draft.handle, draft.calls[0]?.rootId ?? null);
  noteChild(result, start.sending?.addToParent);
  return result;
}

/** How many messages the broker gets in one step. */
export const windowSize = 1000;

/** @throws PartlySentError when a window failed after others were sent */
async function publishInWindows(
  publish: (window: readonly Publication[]) => Promise<void>,
  publications: readonly Publication[],
): Promise<void> {
  for (let from = 0; from < publications.length; from += windowSize) {
    const window = publications.slice(from, from + windowSize);
    try {
      await publish(window);
    } catch (error) {
      if (from === 0) throw error;
      const ids = (some: readonly Publication[]): string[] => some.map(({ id }) => id);
      throw new PartlySentError(
        {
          sent: ids(publications.slice(0, from)),
          unconfirmed: error instanceof SendUnconfirmed ? ids(window) : [],
          unsent: ids(publications.slice(error instanceof SendUnconfirmed ? from + windowSize : from)),
        },
        { cause: error },
      );
    }
  }
}

/** The parts of a plan that the result backend keeps. */
export interface StoreParts {
  readonly stored: Plan['stored'];
  /** `size` null: not known yet, and stored before the last member is sent. */
  readonly chords: readonly (PlannedChord | { readonly groupId: string; readonly size: null })[];
}

/** Stores what must be there before the first call of a plan. */
export function storesBefore(app: SendingApp, parts: StoreParts): Pick<ReadyOptions, 'before'> {
  if (parts.stored.length === 0 && parts.chords.length === 0) return {};
  return { before: ({ backend }) => prepareStores(app, backend, parts) };
}

/** Stores what must be there before the first call: the parts that are referred to, and the sizes of chords. */
export async function prepareStores(
  app: SendingApp,
  backend: ResultBackend | null,
  { stored, chords }: StoreParts,
): Promise<void> {
  if (chords.length > 0 && backend?.chords === undefined) throw new WorkflowError(noChords(app, backend));
  if (stored.length > 0 && (backend === null || backend.replyTo !== undefined)) {
    throw new WorkflowError(
      `the rest of this workflow is too big to be carried along, and the application '${app.name}' has no result backend that could keep it; use sqlite, redis or postgresql (setting 'backend')`,
    );
  }
  await Promise.all([
    ...stored.map(({ id, signatures }) =>
      backend?.put({
        taskId: id,
        status: 'STORED', // no end: kept for as long as waiting tasks are
        result: signatures,
        traceback: null,
        children: [],
        dateDone: null,
      }),
    ),
    ...chords.map((chord) =>
      chord.size === null
        ? undefined
        : backend?.chords?.resize(chord.groupId, chord.size, writeManifest(chord)),
    ),
  ]);
}

function noChords(app: SendingApp, backend: ResultBackend | null): string {
  const why =
    backend === null ? 'keeps no results' : `keeps its results in ${backend.name}, which cannot count`;
  return `a chord needs a result backend that gathers the results of its members; the application '${app.name}' ${why}; use sqlite, redis, postgresql or memory (setting 'backend')`;
}

/**
 * Adds a result to the children of the running task. For a chain or a chord this is its first part, as in Celery; the parts after it are
 * children of that one.
 */
export function noteChild(result: AsyncResult, addToParent: boolean | undefined): void {
  const task = taskScope.getStore();
  if (!task?.options.trail || addToParent === false) return;
  let first = result;
  while (first.parent !== null) first = first.parent;
  task.request.children.push(toTuple(first));
}
