// The definition of a route of Flower's API.
import { toPlainJson } from '../../../http/plain-json.ts';
import { Problem } from '../../../http/problem.ts';
import type { DashboardContext, DashboardRequest } from '../context.ts';
import type { Right } from '../users.ts';
import type { FlowerMetrics } from './metrics.ts';
import { checkedName } from './parameters.ts';
import type { WorkerRecords } from './worker-records.ts';

export interface FlowerState {
  readonly context: DashboardContext;
  readonly workers: WorkerRecords;
  readonly metrics: FlowerMetrics;
}

export interface FlowerRoute {
  readonly method: 'GET' | 'POST';
  /** Hono's syntax. A parameter matches the rest of the path, because task names may have slashes. */
  readonly path: string;
  /** The required right; default: everybody may. */
  readonly right?: Right;
  readonly handle: (request: DashboardRequest, flower: FlowerState) => Promise<Response>;
}

export function json(request: DashboardRequest, value: unknown): Response {
  return request.body(toPlainJson(value), 200, {
    'Content-Type': 'application/json; charset=UTF-8',
    'Cache-Control': 'no-store',
  });
}

export function message(request: DashboardRequest, text: string): Response {
  return json(request, { message: text });
}

/** The parameter of the path: a worker's name, a task's name or id. @throws Problem 422 */
export function pathName(request: DashboardRequest): string {
  return checkedName(request.req.param('name') ?? '', 'the last part of the path');
}

/** @throws Problem 404 */
export async function checkWorker(name: string, { workers }: FlowerState): Promise<string> {
  if (await workers.isKnown(name)) return name;
  throw new Problem(404, `Unknown worker '${name}'`);
}
