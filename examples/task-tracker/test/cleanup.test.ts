// The nightly cleanup, on tables of its own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'task-tracker-'));
Object.assign(process.env, { DATA: folder, DATABASE_URL: 'sqlite:', REDIS_URL: '' });
const { database, migrate } = await import('../server/database.ts');
const { cleanUp } = await import('../server/chores.ts');
after(async () => {
  await database.destroy();
  rmSync(folder, { recursive: true, force: true });
});

test('at night go ended logins, exports of last week and reminders of last month, of one time zone alone', async () => {
  await migrate();
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  for (const [id, timezone] of [
    [1, 'UTC'],
    [2, 'Asia/Tokyo'],
  ] as const) {
    const user = { id, email: `${id}@example.com`, name: 'Test', password_hash: '', timezone };
    await database
      .insertInto('users')
      .values({ ...user, created_at: ago(90) })
      .execute();
    const task = { id, owner_id: id, title: 'x', description: '', status: 'done', priority: 1 } as const;
    const times = { deadline: null, overdue_at: null, created_at: ago(90), updated_at: ago(90) };
    await database
      .insertInto('tasks')
      .values({ ...task, ...times, completed_at: ago(1) })
      .execute();
    for (const [name, days] of [
      ['old', 40],
      ['new', 1],
    ] as const) {
      const session = { token_hash: `${name}${id}`, user_id: id, expires_at: ago(name === 'old' ? 1 : -1) };
      await database.insertInto('sessions').values(session).execute();
      const job = { id: `${name}${id}`, user_id: id, kind: 'export', detail: 'json', content: null } as const;
      await database
        .insertInto('jobs')
        .values({ ...job, created_at: ago(days), rows: null })
        .execute();
      const reminder = { id: `${name}${id}`, task_id: id, deadline: ago(days), sent_at: ago(days) };
      await database.insertInto('reminders').values(reminder).execute();
    }
  }
  assert.deepEqual(await cleanUp('UTC'), { sessions: 1, jobs: 1, reminders: 1 });
  assert.deepEqual(await cleanUp('UTC'), { sessions: 0, jobs: 0, reminders: 0 });
  const left = await database.selectFrom('reminders').select('id').orderBy('id').execute();
  assert.deepEqual(
    left.map(({ id }) => id),
    ['new1', 'new2', 'old2'],
  );
});
