// What a user's tasks say as numbers.

import { priorities, statuses } from '../shared/kinds.ts';
import type { Statistics } from '../shared/shapes.ts';
import { cache, lifetimes } from './cache.ts';
import { dayMs, type TaskRow } from './schema.ts';
import { tasksOf } from './tasks.ts';
import type { User } from './users.ts';

type Counted = Pick<TaskRow, 'status' | 'priority' | 'deadline' | 'created_at' | 'completed_at'>;

/** Of a user, from the cache where it is there. */
export function statisticsOf(user: Pick<User, 'id' | 'revision' | 'timezone'>): Promise<Statistics> {
  return cache.remember(user, 'statistics', lifetimes.statistics, async () =>
    count(await tasksOf(user.id).selectAll().execute(), new Date(), user.timezone),
  );
}

export function count(tasks: readonly Counted[], now: Date, timeZone: string): Statistics {
  const open = tasks.filter(({ status }) => status !== 'done');
  const done = tasks.filter(({ completed_at }) => completed_at !== null);
  const due = open.flatMap(({ deadline }) =>
    deadline === null ? [] : [Date.parse(deadline) - now.getTime()],
  );
  const timed = done.filter(({ deadline }) => deadline !== null);
  const onTime = timed.filter(({ deadline, completed_at }) => (completed_at ?? '') <= (deadline ?? ''));
  const hours = done.map(
    ({ created_at, completed_at }) => (Date.parse(completed_at ?? '') - Date.parse(created_at)) / 3_600_000,
  );
  return {
    total: tasks.length,
    by_status: tally(tasks, statuses, ({ status }) => status),
    by_priority: tally(open, priorities, ({ priority }) => priorities[priority] ?? 'normal'),
    overdue: due.filter((ms) => ms < 0).length,
    due_this_week: due.filter((ms) => ms >= 0 && ms < 7 * dayMs).length,
    on_time: timed.length === 0 ? null : onTime.length / timed.length,
    average_hours: hours.length === 0 ? null : hours.reduce((sum, each) => sum + each, 0) / hours.length,
    days: days(tasks, now, timeZone),
  };
}

function days(tasks: readonly Counted[], now: Date, timeZone: string): Statistics['days'] {
  const calendar = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' }); // 2026-11-22
  const dayOf = (at: string | Date) => calendar.format(typeof at === 'string' ? new Date(at) : at);
  const created = tally(tasks, [], ({ created_at }) => dayOf(created_at));
  const done = tasks.flatMap(({ completed_at }) => completed_at ?? []);
  const completed = tally(done, [], dayOf);
  let open = tasks.filter(({ status }) => status !== 'done').length;
  const [year = 0, month = 1, day = 1] = dayOf(now).split('-').map(Number);
  // Calendar days, counted back in UTC, which has no day of 23 hours.
  return Array.from({ length: 30 }, (_, back) => {
    const name = new Date(Date.UTC(year, month - 1, day - back)).toISOString().slice(0, 10);
    const here = { day: name, created: created[name] ?? 0, completed: completed[name] ?? 0, open };
    open += here.completed - here.created;
    return here;
  }).reverse();
}

function tally<One, Name extends string>(
  all: readonly One[],
  names: readonly Name[],
  of: (one: One) => Name,
) {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  for (const one of all) counts[of(one)] = (counts[of(one)] ?? 0) + 1;
  return counts;
}
