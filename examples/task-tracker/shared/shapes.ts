// What travels between pages and server: checked when it comes, shown at /docs.
import { z } from '@hono/zod-openapi';
import { formats, priorities, statuses } from './kinds.ts';

/** What PostgreSQL could not store is refused here, where the sender can be told: NUL, and half of a surrogate pair. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\0\p{Cs}]*$/u, 'has a NUL or half of a surrogate pair');
/** Kept as it is called in lists of them: Intl takes `europe/berlin`, too. */
const timezone = z
  .string()
  .refine(isTimeZone, { error: 'is no time zone', abort: true })
  .transform((timeZone) => new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone)
  .openapi({ type: 'string', example: 'Europe/Berlin' });
/** With an offset; kept in UTC. */
const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text).toISOString())
  .refine((at) => at > '1900' && at < '2200', 'is not between 1900 and 2200')
  .openapi({ type: 'string', format: 'date-time', example: '2027-01-31T17:00:00Z' });
const at = z.iso.datetime();
const count = z.int();
const id = z.int().min(1).max(2_147_483_647); // what PostgreSQL's integer holds
const email = z
  .email()
  .max(200)
  .transform((text) => text.toLowerCase());

/** A shape that has its name at /docs. */
const named = <Fields extends z.ZodRawShape>(name: string, fields: Fields) => z.object(fields).openapi(name);

const account = { name: text(100).trim().min(1), timezone };
const password = z.string().min(8).max(200);
export const Registration = named('Registration', { ...account, email, password });
export const Login = named('Login', { email, password: z.string().max(200) });
export const Profile = z.object(account).partial().openapi('Profile');
const user = { id: z.int(), email: z.string(), name: z.string(), timezone: z.string() };
export const User = named('User', user);
export const Session = named('Session', { ...user, token: z.string() });

const fields = {
  title: text(200).trim().min(1),
  description: text(10_000),
  status: z.enum(statuses),
  priority: z.enum(priorities),
  deadline: moment.nullable(),
};
export const NewTask = named('NewTask', {
  ...fields,
  description: fields.description.default(''),
  status: fields.status.default('todo'),
  priority: fields.priority.default('normal'),
  deadline: fields.deadline.default(null),
});
export const TaskChanges = z
  .object({ ...fields, completed: z.boolean() })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'changes nothing')
  .refine(({ completed, status }) => completed === undefined || status === undefined, {
    error: 'says the same as status: give one of them',
    path: ['completed'],
  })
  .openapi('TaskChanges');
const times = { created_at: at, updated_at: at, completed_at: at.nullable() };
export const Task = named('Task', {
  id: z.int(),
  ...fields,
  deadline: at.nullable(),
  overdue: z.boolean(),
  ...times,
});
export const TaskQuery = z.object({
  status: z.enum([...statuses, 'open']).optional(),
  priority: z.enum(priorities).optional(),
  due: z.enum(['overdue', 'day', 'week', 'none']).optional(),
  search: text(100).optional(),
  sort: z.enum(['deadline', 'priority', 'created', 'title']).default('deadline'),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
  per_page: z.coerce.number().int().min(1).max(200).default(25),
});
export const TaskPage = named('TaskPage', { items: z.array(Task), total: count, page: count, pages: count });

const counts = <Name extends string>(names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, count])) as Record<Name, z.ZodInt>);
export const Statistics = named('Statistics', {
  total: count,
  by_status: counts(statuses),
  by_priority: counts(priorities),
  overdue: count,
  due_this_week: count,
  on_time: z.number().nullable(),
  average_hours: z.number().nullable(),
  days: z.array(z.object({ day: z.string(), created: count, completed: count, open: count })),
});

export const OfJob = z.object({ task_id: z.uuid() });
export const OfTask = z.object({ id: z.coerce.number().pipe(id) });

export const ExportQuery = z.object({ export_format: z.enum(formats).default('json') });
export const Export = named('Export', {
  task_id: z.string(),
  format: z.enum(formats),
  created_at: at,
  status: z.string().openapi({ example: 'PROGRESS' }),
  done: count,
  total: count.nullable(),
  error: z.string().nullable(),
  download: z.string().nullable(),
});
export const BulkUpdate = named('BulkUpdate', {
  task_ids: z.array(id).min(1).max(1000),
  update_data: TaskChanges,
});
const BulkItem = z.object({
  task_id: z.int(),
  outcome: z.enum(['waiting', 'updated', 'not found', 'failed']),
  error: z.string().nullable(),
});
export const BulkResult = named('BulkResult', {
  task_id: z.string(),
  done: count,
  total: count,
  items: z.array(BulkItem),
});

export const CacheStatus = named('CacheStatus', {
  kind: z.enum(['redis', 'memory']),
  available: z.boolean(),
  hits: count,
  misses: count,
});
export const Health = named('Health', {
  status: z.enum(['ok', 'degraded']),
  database: z.boolean(),
  broker: z.boolean(),
  cache: CacheStatus,
});

export type User = z.output<typeof User>;
export type Task = z.output<typeof Task>;
export type NewTask = z.output<typeof NewTask>;
export type TaskChanges = z.output<typeof TaskChanges>;
export type TaskQuery = z.output<typeof TaskQuery>;
export type TaskPage = z.output<typeof TaskPage>;
export type Statistics = z.output<typeof Statistics>;
export type Export = z.output<typeof Export>;
export type BulkResult = z.output<typeof BulkResult>;
export type CacheStatus = z.output<typeof CacheStatus>;
export type Profile = z.output<typeof Profile>;
export type Registration = z.output<typeof Registration>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}
