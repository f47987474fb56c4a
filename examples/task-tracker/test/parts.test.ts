// What needs nothing but itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { file } from '../server/export.ts';
import { remindAt } from '../server/reminders.ts';
import { count } from '../server/statistics.ts';

const now = new Date('2026-11-22T12:00:00.000Z');

test('a reminder is due a day before the deadline, at once if less is left, and not at all for what is done or past', () => {
  const at = (deadline: string | null, status: 'todo' | 'done' = 'todo') =>
    remindAt({ status, deadline }, now)?.toISOString() ?? null;
  assert.equal(at('2026-12-01T09:00:00.000Z'), '2026-11-30T09:00:00.000Z');
  assert.equal(at('2026-11-22T15:00:00.000Z'), now.toISOString());
  assert.equal(at('2026-11-22T11:59:00.000Z'), null);
  assert.equal(at('2026-12-01T09:00:00.000Z', 'done'), null);
  assert.equal(at(null), null);
});

test('statistics count by the days of the user, not by those of UTC', () => {
  const task = { priority: 2, deadline: null, status: 'todo', completed_at: null } as const;
  const tasks = [
    { ...task, created_at: '2026-11-21T15:30:00.000Z' }, // the 22nd in Tokyo
    {
      ...task,
      created_at: '2026-11-20T00:00:00.000Z',
      status: 'done',
      completed_at: '2026-11-21T06:00:00.000Z',
    } as const,
  ];
  const { days, by_status, by_priority, average_hours } = count(tasks, now, 'Asia/Tokyo');
  assert.deepEqual(days.slice(-3), [
    { day: '2026-11-20', created: 1, completed: 0, open: 1 },
    { day: '2026-11-21', created: 0, completed: 1, open: 0 },
    { day: '2026-11-22', created: 1, completed: 0, open: 1 },
  ]);
  assert.equal(days.length, 30);
  assert.deepEqual(by_status, { todo: 1, doing: 0, done: 1 });
  assert.deepEqual(by_priority, { low: 0, normal: 0, high: 1, urgent: 0 });
  assert.equal(average_hours, 30);
});

test('what is exported is read back, and no cell of a CSV file is a formula', () => {
  const task = {
    id: 7,
    title: '=HYPERLINK("x")',
    description: 'two\nlines, "quoted"',
    status: 'todo',
    priority: 'low',
    deadline: null,
    overdue: false,
    created_at: '2026-11-22T12:00:00.000Z',
    updated_at: '2026-11-22T12:00:00.000Z',
    completed_at: null,
  } as const;
  assert.equal(
    file('csv', [task]),
    'id,title,description,status,priority,deadline,created_at,completed_at\r\n' +
      `7,"'=HYPERLINK(""x"")","two\nlines, ""quoted""",todo,low,,2026-11-22T12:00:00.000Z,\r\n`,
  );
  const [read] = JSON.parse(file('json', [task, task]));
  assert.deepEqual([read.title, read.description, 'owner_id' in read], [task.title, task.description, false]);
  assert.deepEqual(JSON.parse(file('json', [])), []);
});
