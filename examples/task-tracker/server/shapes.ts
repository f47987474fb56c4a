// What travels over HTTP: checked when it comes, shown at /docs.
import { z } from '@hono/zod-openapi';
import { formats } from './export.ts';
import { priorities, statuses } from './schema.ts';

const timezone = z.string().refine(isTimeZone, 'is no time zone').openapi({ example: 'Europe/Berlin' });
/** With an offset; kept in UTC. */
const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text).toISOString())
  .openapi({ type: 'string', format: 'date-time', example: '2027-01-31T17:00:00Z' });
const at = z.iso.datetime();
const email = z
  .email()
  .max(200)
  .transform((text) => text.toLowerCase());

export const Registration = z
  .object({ email, name: z.string().trim().min(1).max(100), password: z.string().min(8).max(200), timezone })
  .openapi('Registration');
export const Login = z.object({ email, password: z.string().max(200) }).openapi('Login');
export const User = z
  .object({ id: z.int(), email: z.string(), name: z.string(), timezone: z.string() })
  .openapi('User');
export const Profile = z.object({ name: Registration.shape.name, timezone }).partial().openapi('Profile');
export const Session = User.extend({ token: z.string() }).openapi('Session');

const fields = {
  title: z.string().trim().min(1).max(200),
  description: z.string().max(10_000),
  status: z.enum(statuses),
  priority: z.enum(priorities),
  deadline: moment.nullable(),
};
export const NewTask = z.object(fields).partial().required({ title: true }).openapi('NewTask');
export const TaskChanges = z
  .object({ ...fields, completed: z.boolean() })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'changes nothing')
  .openapi('TaskChanges');
export const Task = z
  .object({
    id: z.int(),
    ...fields,
    deadline: at.nullable(),
    overdue: z.boolean(),
    created_at: at,
    updated_at: at,
    completed_at: at.nullable(),
  })
  .openapi('Task');
export const TaskQuery = z.object({
  status: z.enum([...statuses, 'open']).optional(),
  priority: z.enum(priorities).optional(),
  due: z.enum(['overdue', 'day', 'week', 'none']).optional(),
  search: z.string().max(100).optional(),
  sort: z.enum(['deadline', 'priority', 'created', 'title']).default('deadline'),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
  per_page: z.coerce.number().int().min(1).max(200).default(25),
});
export const TaskPage = z
  .object({ items: z.array(Task), total: z.int(), page: z.int(), pages: z.int() })
  .openapi('TaskPage');

const counts = <Name extends string>(names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);
export const Statistics = z
  .object({
    total: z.int(),
    by_status: counts(statuses),
    by_priority: counts(priorities),
    overdue: z.int(),
    due_this_week: z.int(),
    on_time: z.number().nullable(),
    average_hours: z.number().nullable(),
    days: z.array(z.object({ day: z.string(), created: z.int(), completed: z.int(), open: z.int() })),
  })
  .openapi('Statistics');

export const ExportQuery = z.object({ export_format: z.enum(formats).default('json') });
export const Export = z
  .object({
    task_id: z.string(),
    format: z.enum(formats),
    created_at: at,
    status: z.string().openapi({ example: 'PROGRESS' }),
    done: z.int(),
    total: z.int().nullable(),
    error: z.string().nullable(),
    download: z.string().nullable(),
  })
  .openapi('Export');
export const BulkUpdate = z
  .object({ task_ids: z.array(z.int()).min(1).max(1000), update_data: TaskChanges })
  .openapi('BulkUpdate');
export const BulkResult = z
  .object({
    task_id: z.string(),
    done: z.int(),
    total: z.int(),
    items: z.array(
      z.object({
        task_id: z.int(),
        outcome: z.enum(['waiting', 'updated', 'not found', 'failed']),
        error: z.string().nullable(),
      }),
    ),
  })
  .openapi('BulkResult');

export const CacheStatus = z
  .object({ kind: z.enum(['redis', 'memory']), available: z.boolean(), hits: z.int(), misses: z.int() })
  .openapi('CacheStatus');
export const Health = z
  .object({
    status: z.enum(['ok', 'degraded']),
    database: z.boolean(),
    broker: z.boolean(),
    cache: CacheStatus,
  })
  .openapi('Health');
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
export type Registration = z.output<typeof Registration>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
