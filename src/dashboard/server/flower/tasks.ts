// Flower's routes that list and show tasks.
import { QuerySyntaxError } from '../../../errors.ts';
import type { TaskRecord } from '../../../history/record.ts';
import { toPlainJson } from '../../../http/plain-json.ts';
import { Problem } from '../../../http/problem.ts';
import { exceptionRepr } from '../../../protocol/exception.ts';
import { isException, isReady, type ResultRecord } from '../../../protocol/result-meta.ts';
import type { DashboardContext, DashboardRequest } from '../context.ts';
import { type Parameters, readParameters } from './parameters.ts';
import { type FlowerRoute, json, pathName } from './route.ts';
import { fieldQuery, receivedQuery, searchQuery, sortOf } from './search.ts';
import { flowerTask, listedTask } from './task-record.ts';

const pageSize = 500;
/** Maximum number of children in the answer. */
const maxChildren = 1_000;
/** The longest wait for a result, milliseconds. */
const longestWaitMs = 600_000;

const listTasks: FlowerRoute = {
  method: 'GET',
  path: '/api/tasks',
  async handle(request, { context }) {
    const parameters = await readParameters(request.req.raw);
    const most = context.settings.maxTasks;
    const limit = parameters.integer('limit', { from: 0, to: Number.MAX_SAFE_INTEGER, otherwise: most });
    const offset = parameters.integer('offset', { from: 0, to: Number.MAX_SAFE_INTEGER, otherwise: 0 });
    const sort = sortOf(parameters.textOr('sort_by', null));
    const query = queryOf(parameters);
    await context.flush();
    const pages = tasksOf(context, { query, sort, offset, limit: Math.min(limit, most) });
    try {
      // Loads the first page before the answer begins: a wrong query still gets an error status.
      const first = await pages.next();
      const body = objectOf(context, first.done ? [] : first.value, pages);
      return request.body(stream(body), 200, {
        'Content-Type': 'application/json; charset=UTF-8',
        'Cache-Control': 'no-store',
      });
    } catch (error) {
      if (!(error instanceof QuerySyntaxError)) throw error;
      return request.json({ error: error.message }, 400);
    }
  },
};

/** Translates Flower's parameters to a query of the history. */
function queryOf(parameters: Parameters): string {
  const terms: string[] = [];
  const search = parameters.textOr('search', null);
  if (search !== null) terms.push(`(${searchQuery(search)})`);
  const state = parameters.textOr('state', 'All');
  if (state.toLowerCase() !== 'all') terms.push(fieldQuery('state', state));
  const worker = parameters.textOr('workername', 'All');
  if (worker.toLowerCase() !== 'all') terms.push(fieldQuery('worker', worker));
  const name = parameters.textOr('taskname', 'All');
  if (name.toLowerCase() !== 'all') terms.push(fieldQuery('name', name));
  for (const [each, op] of [
    ['received_start', '>='],
    ['received_end', '<='],
  ] as const) {
    const text = parameters.textOr(each, null);
    if (text !== null) terms.push(receivedQuery(each, op, text));
  }
  return terms.join(' ');
}

interface Wanted {
  readonly query: string;
  readonly sort: string;
  readonly offset: number;
  readonly limit: number;
}

async function* tasksOf(
  { history }: DashboardContext,
  { query, sort, offset, limit }: Wanted,
): AsyncGenerator<readonly TaskRecord[], void> {
  let after: string | null = null;
  let skip = offset;
  let left = limit;
  while (left > 0) {
    const page = Math.min(pageSize, skip + left);
    const found = await history.list(query, { sort, limit: page, ...(after !== null && { after }) });
    const tasks = found.tasks.slice(skip, skip + left);
    skip = Math.max(0, skip - found.tasks.length);
    left -= tasks.length;
    if (tasks.length > 0) yield tasks;
    if (found.next === null) return;
    after = found.next;
  }
}

/** Writes one JSON object, task ids to tasks, page by page: a long list is never completely in memory. */
async function* objectOf(
  context: DashboardContext,
  first: readonly TaskRecord[],
  rest: AsyncIterable<readonly TaskRecord[]>,
): AsyncGenerator<string, void> {
  let comma = '';
  const textOf = (tasks: readonly TaskRecord[]): string => {
    let text = '';
    for (const task of tasks) {
      const record = listedTask(flowerTask(task, [], clockOf(context, task.id)));
      text += `${comma}${JSON.stringify(task.id)}:${toPlainJson(record)}`;
      comma = ',';
    }
    return text;
  };
  yield `{${textOf(first)}`;
  for await (const tasks of rest) yield textOf(tasks);
  yield '}';
}

function stream(texts: AsyncGenerator<string, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const next = await texts.next();
        if (next.done) controller.close();
        else controller.enqueue(encoder.encode(next.value));
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await texts.return();
    },
  });
}

const taskInfo: FlowerRoute = {
  method: 'GET',
  path: '/api/task/info/:name{.+}',
  async handle(request, { context }) {
    const id = pathName(request);
    await context.flush();
    const task = await context.history.get(id);
    if (task === undefined) throw new Problem(404, `Unknown task '${id}'`);
    const children = await context.history.list(fieldQuery('parent', id), {
      sort: 'seen',
      limit: maxChildren,
    });
    const ids = children.tasks.map((child) => child.id);
    return json(request, flowerTask(task, ids, clockOf(context, id)));
  },
};

function clockOf({ cluster }: DashboardContext, id: string): number | null {
  return cluster.task(id)?.clock ?? null;
}

const taskTypes: FlowerRoute = {
  method: 'GET',
  path: '/api/task/types',
  async handle(request, { context }) {
    await context.flush();
    const names = await context.history.countsBy('name', '', 10_000);
    const known = names.flatMap(([name]) => (name === null ? [] : [name]));
    return json(request, { 'task-types': known.sort() });
  },
};

/** With `timeout` (seconds) it waits until the task has ended, or the time is over. Both answers have the state. */
const taskResult: FlowerRoute = {
  method: 'GET',
  path: '/api/task/result/:name{.+}',
  async handle(request, { context }) {
    const id = pathName(request);
    const timeout = (await readParameters(request.req.raw)).seconds('timeout');
    await requireResults(context);
    const record =
      timeout === null || timeout === 0
        ? await context.app.result(id).record()
        : await ended(request, context, id, timeout * 1000);
    return json(request, resultView(id, record, 'result'));
  },
};

export const taskRoutes: readonly FlowerRoute[] = [listTasks, taskInfo, taskTypes, taskResult];

/** @throws Problem 503 */
export async function requireResults({ app }: DashboardContext): Promise<void> {
  if ((await app.backend()) === null)
    throw new Problem(
      503,
      'the application has no result backend, so no result can be read; set --result-backend',
    );
}

/** Waits until the task has ended, the time is over, the client has gone or the dashboard closes. Returns the latest record. */
export async function ended(
  request: DashboardRequest,
  { app, closing }: DashboardContext,
  id: string,
  ms = longestWaitMs,
): Promise<ResultRecord | undefined> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), Math.min(ms, longestWaitMs));
  const signal = AbortSignal.any([stop.signal, closing, request.req.raw.signal]);
  let newest: ResultRecord | undefined;
  try {
    for await (const record of app.result(id).watch(signal)) {
      newest = record;
      if (isReady(record.status)) break;
    }
    return newest;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** Flower's keys, in the order of this route. An unknown task is PENDING, as in Celery. */
export function resultView(
  id: string,
  record: ResultRecord | undefined,
  route: 'apply' | 'result',
): Readonly<Record<string, unknown>> {
  const state = record?.status ?? 'PENDING';
  if (record === undefined || !isReady(state)) return { 'task-id': id, state };
  const result = isException(state) ? exceptionRepr(record.result) : record.result;
  const traceback = state === 'FAILURE' ? { traceback: record.traceback } : {};
  return route === 'apply'
    ? { 'task-id': id, result, ...traceback, state }
    : { 'task-id': id, state, result, ...traceback };
}
