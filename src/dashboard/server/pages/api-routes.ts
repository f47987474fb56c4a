// What each route of the pages is for, and the document that says so. A route without a line does not compile, nor a line without a route.
import type { ExtractSchema } from 'hono/types';
import { version } from '../../../lib/version.ts';
import type { DashboardContext } from '../context.ts';
import { apiDocument, readAnswerSchemas } from './api-document.ts';
import type { PageRoutes } from './routes.ts';

/** The routes with what they take and answer; the build makes the schemas of the answers from it. */
export type PageSchema = ExtractSchema<PageRoutes>;

type VerbsOf<Path extends keyof PageSchema & string> = keyof PageSchema[Path] & string;

/** `GET /tasks/:id`. */
type RouteKey = {
  [Path in keyof PageSchema & string]: VerbsOf<Path> extends infer Verb
    ? Verb extends `$${infer Method}`
      ? `${Uppercase<Method>} ${Path}`
      : never
    : never;
}[keyof PageSchema & string];

export const summaries: Readonly<Record<RouteKey, string>> = {
  'GET /me': 'The user who asks, and the application',
  'GET /overview': 'The overview: the last hour, queues, workers, failures, the stores',
  'GET /live': 'Changes as they happen, as server-sent events',
  'GET /tasks': 'Tasks of the history, by a query',
  'GET /tasks/counts': 'How many tasks of a query are in each state',
  'GET /tasks/names': 'Names of tasks in the history',
  'GET /tasks/values': 'Queues and workers in the history',
  'POST /tasks/send': 'Send a task',
  'POST /tasks/revoke': 'Revoke tasks, or terminate those that run',
  'POST /tasks/:id/retry': 'Run an ended task again',
  'GET /tasks/:id/why': 'Why a task does not run',
  'GET /tasks/:id': 'A task with its relatives',
  'GET /workflows/:id': 'The tasks of a workflow, by the id of its first',
  'GET /failures': 'Failures in groups',
  'GET /workers': 'The workers',
  'GET /workers/:name': 'A worker with what it replied',
  'POST /control': 'Order workers: for admins, except to switch events on and off',
  'GET /queues': 'The queues with their depths and rates',
  'GET /queues/:name/waiting': 'Messages that wait in a queue',
  'GET /queues/:name/held': 'Messages of a queue that workers hold',
  'POST /queues/:name/release': 'Give a held message back to its queue',
  'POST /queues/:name/pause': 'Pause a queue',
  'POST /queues/:name/resume': 'Resume a queue',
  'GET /doctor': 'What the doctor found last',
  'GET /doctor/tasks': 'Which worker knows which task',
  'GET /audit': 'The audit log, the newest first',
  'GET /limits': 'Shared limits, who holds permits and who waits',
  'GET /locks': 'Locks of unique tasks',
  'POST /locks/release': 'Release a lock',
  'GET /schedules': 'The schedules',
  'GET /schedules/calendar': 'What is due in the next 24 hours',
  'POST /schedules/check': 'Check the form of a schedule, and show its next runs',
  'POST /schedules': 'Add a schedule',
  'PUT /schedules/:name': 'Change a schedule',
  'DELETE /schedules/:name': 'Delete a schedule',
  'GET /schedules/:name/runs': 'The latest runs of a schedule',
  'POST /schedules/:name/run': 'Run a schedule now',
  'POST /schedules/:name/:verb{pause|resume}': 'Pause or resume a schedule',
  'POST /waiting/move': 'Move messages to another queue',
  'POST /waiting/purge': 'Delete messages that wait',
  'POST /waiting/promote': 'Make scheduled tasks ready',
  'POST /waiting/reschedule': 'Change time, queue or priority of tasks that wait',
  'GET /jobs': 'The latest jobs that run tasks again',
  'GET /jobs/:id': 'A job',
  'POST /jobs': 'Prepare a job',
  'POST /jobs/:id/prepare': 'Go on with a preparation that has stopped',
  'POST /jobs/:id/run': 'Run or resume a job',
  'POST /jobs/:id/:verb{pause|abort}': 'Pause or abort a job',
  'GET /chords/:id': 'A chord that waits for members',
  'POST /chords/:id/retry': 'Run a member of a chord again',
  'POST /chords/:id/give': 'Give a value for a member of a chord',
  'POST /chords/:id/fire': 'Send the body of a chord without waiting',
  'POST /chords/:id/cancel': 'Cancel a chord',
  'GET /restart': 'How far the rolling restart is',
  'POST /restart': 'Restart workers one by one',
  'POST /restart/stop': 'Stop the rolling restart',
  'GET /dead': 'Dead letters',
  'GET /dead/:id{[0-9]+}': 'A dead letter',
  'POST /dead/replay': 'Put dead letters back into their queues',
  'POST /dead/discard': 'Delete dead letters',
};

/** `GET /api/v1/openapi.json`. */
export async function pageDocument(
  { routes }: Pick<PageRoutes, 'routes'>,
  { app, settings }: DashboardContext,
  hasLogin: boolean,
): Promise<unknown> {
  return apiDocument(routes, {
    title: `${app.name}: dashboard`,
    version,
    base: `${settings.urlPrefix}/api/v1`,
    hasLogin,
    summaries,
    answers: await readAnswerSchemas(),
  });
}
