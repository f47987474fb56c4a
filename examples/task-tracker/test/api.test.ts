// The API with a worker and a beat beside it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from '@redis/client';
import { Client, inHours, Tracker, until } from './harness.ts';

let tracker: Tracker;
let client: Client;
before(async () => {
  tracker = await Tracker.start('web', 'worker', 'beat');
  client = new Client(() => tracker.url);
  await client.register();
});
after(() => tracker?.[Symbol.asyncDispose]());

const mailsAbout = (title: string) =>
  [...tracker.catcher.mails.values()].filter(({ subject }) => subject.includes(title));

test('who is not signed in sees nothing; a wrong password and a taken address are refused', async () => {
  const stranger = new Client(() => tracker.url);
  assert.equal((await stranger.ask('GET', '/tasks')).status, 401);
  await client.ask('POST', '/tasks', { title: 'mine' });
  await stranger.register('stranger@example.com');
  assert.deepEqual((await stranger.ask('GET', '/tasks')).body.items, []);
  const wrong = { email: 'stranger@example.com', password: 'wrong' };
  assert.equal((await stranger.ask('POST', '/auth/login', wrong)).status, 401);
  const taken = { ...wrong, password: 'another one', name: 'x', timezone: 'UTC' };
  assert.equal((await stranger.ask('POST', '/auth/register', taken)).status, 409);
  const nowhere = { ...taken, email: 'c@example.com', timezone: 'Mars/Olympus' };
  assert.match(
    (await stranger.ask('POST', '/auth/register', nowhere)).body.detail,
    /timezone: is no time zone/,
  );
  const theirs = (await client.ask('GET', '/tasks')).body.items[0].id;
  assert.equal((await stranger.ask('GET', `/tasks/${theirs}`)).status, 404);
  assert.equal((await stranger.ask('PATCH', `/tasks/${theirs}`, { title: 'stolen' })).status, 404);
  assert.equal((await stranger.ask('DELETE', `/tasks/${theirs}`)).status, 404);
});

test('what cannot be stored is refused where it comes in, and names the field', async () => {
  await client.register();
  const refused = async (method: string, path: string, body?: unknown): Promise<string> => {
    const answer = await client.ask(method, path, body);
    assert.equal(answer.status, 422, path);
    return answer.body.detail;
  };
  assert.match(await refused('POST', '/tasks', { title: 'a\0b' }), /^title: has a NUL/);
  assert.match(
    await refused('POST', '/tasks', { title: 'a', description: '\ud800' }),
    /^description: has a NUL/,
  );
  assert.match(await refused('GET', '/tasks?search=%00'), /^search: has a NUL/);
  const late = { title: 'a', deadline: '9999-12-31T23:59:59-05:00' };
  assert.match(await refused('POST', '/tasks', late), /^deadline: is not between/);
  assert.match(await refused('GET', '/tasks/export-status/%00'), /^task_id:/);
  assert.match(await refused('GET', '/tasks/99999999999'), /^id:/);
  const bulk = { task_ids: [99_999_999_999], update_data: { title: 'a' } };
  assert.match(await refused('POST', '/tasks/bulk-update', bulk), /^task_ids\.0:/);
  assert.match(await refused('PATCH', '/tasks/1', { completed: true, status: 'todo' }), /^completed:/);
  assert.match(await refused('GET', '/tasks/export-download/%00'), /^task_id:/);
  assert.match(await refused('GET', '/tasks/export-events/%00'), /^task_id:/);
  assert.equal((await client.ask('GET', '/nowhere')).body.detail, 'there is no /nowhere');
});

test('a stranger who tries to delete a task does not delete its reminder', async () => {
  await client.register();
  const soon = { title: 'Kept', deadline: inHours(24 + 4 / 3600) };
  const { body: task } = await client.ask('POST', '/tasks', soon);
  const stranger = new Client(() => tracker.url);
  await stranger.register();
  assert.equal((await stranger.ask('DELETE', `/tasks/${task.id}`)).status, 404);
  await until(
    () => mailsAbout('Kept').length === 1,
    () => 'the reminder of a task that is still there',
  );
});

test('tasks are filtered, sorted and paged', async () => {
  await client.register();
  const made = [
    { title: 'Buy 100% cotton', priority: 'low', deadline: inHours(100) },
    { title: 'Call Bob', priority: 'urgent', deadline: inHours(-1) },
    { title: 'Write home', description: 'about cotton', status: 'done' },
    { title: 'Sleep', deadline: inHours(5) },
  ];
  for (const task of made) assert.equal((await client.ask('POST', '/tasks', task)).status, 201);
  const titles = async (query: string) =>
    (await client.ask('GET', `/tasks?${query}`)).body.items.map(({ title }: { title: string }) => title);
  assert.deepEqual(await titles('sort=deadline'), ['Call Bob', 'Sleep', 'Buy 100% cotton', 'Write home']);
  assert.deepEqual(await titles('status=open&sort=priority'), ['Call Bob', 'Sleep', 'Buy 100% cotton']);
  assert.deepEqual(await titles('search=COTTON&sort=title'), ['Buy 100% cotton', 'Write home']);
  assert.deepEqual(await titles('search=%25'), ['Buy 100% cotton']);
  assert.deepEqual(await titles('due=overdue'), ['Call Bob']);
  assert.deepEqual(await titles('due=day'), ['Sleep']);
  assert.deepEqual(await titles('priority=urgent'), ['Call Bob']);
  const { body } = await client.ask('GET', '/tasks?sort=title&per_page=3&page=2');
  assert.deepEqual([body.items.length, body.total, body.pages], [1, 4, 2]);
  assert.equal((await client.ask('GET', '/tasks?sort=colour')).status, 422);
  const large = await client.ask('POST', '/tasks', { title: 'x', description: 'x'.repeat(100_000) });
  assert.deepEqual([large.status, large.body.detail], [413, 'the body is larger than 100 kB']);
});

test('what is read again comes from the cache, and after each kind of write it is new', async () => {
  await client.register();
  const hits = async (): Promise<number> => (await client.ask('GET', '/cache/status')).body.hits;
  const open = async () => (await client.ask('GET', '/tasks?status=open')).body.total;
  const before = await hits();
  assert.equal(await open(), 0);
  assert.equal(await open(), 0);
  assert.equal(await hits(), before + 1);
  const { body: task } = await client.ask('POST', '/tasks', { title: 'one' });
  assert.equal(await open(), 1);
  await client.ask('PATCH', `/tasks/${task.id}`, { completed: true });
  assert.equal(await open(), 0);
  assert.ok((await client.ask('GET', `/tasks/${task.id}`)).body.completed_at);
  const { body: bulk } = await client.ask('POST', '/tasks/bulk-update', {
    task_ids: [task.id],
    update_data: { completed: false },
  });
  await until(
    async () => (await client.ask('GET', `/tasks/bulk-update/${bulk.task_id}`)).body.done === 1,
    () => 'the bulk update',
  );
  assert.equal(await open(), 1); // written by the worker, read here
  assert.equal((await client.ask('GET', '/tasks/statistics')).body.by_status.todo, 1);
  await client.ask('DELETE', `/tasks/${task.id}`);
  assert.equal(await open(), 0);
  assert.equal((await client.ask('GET', '/tasks/statistics')).body.total, 0);
});

test('a task is reminded of once; not if it is done before, nor of a deadline that it has no more', async () => {
  const ran = () => tracker.said.match(/send_task_reminder\[[^\]]*\] succeeded/g)?.length ?? 0;
  const before = ran();
  await client.register();
  await client.ask('POST', '/tasks', { title: 'Soon', deadline: inHours(3) });
  const { body: moved } = await client.ask('POST', '/tasks', {
    title: 'Moved',
    deadline: inHours(24 + 5 / 3600),
  });
  const { body: done } = await client.ask('POST', '/tasks', {
    title: 'Finished',
    deadline: inHours(24 + 5 / 3600),
  });
  await client.ask('PATCH', `/tasks/${moved.id}`, { deadline: inHours(500) });
  await client.ask('PATCH', `/tasks/${done.id}`, { completed: true });
  await until(
    () => ran() >= before + 3,
    () => `three reminders; said so far:\n${tracker.said}`,
  );
  assert.deepEqual(
    ['Soon', 'Moved', 'Finished'].map((title) => mailsAbout(title).length),
    [1, 0, 0],
  );
  // Open again, it is reminded of after all.
  await client.ask('PATCH', `/tasks/${done.id}`, { completed: false });
  await until(
    () => mailsAbout('Finished').length === 1,
    () => 'the mail of what was opened again',
  );
  assert.match(mailsAbout('Finished')[0]?.text ?? '', /^Hello Test,/);
});

for (const format of ['json', 'csv'])
  test(`an export to ${format} tells how far it is, and can be downloaded by its owner alone`, async () => {
    await client.register();
    for (let n = 1; n <= 3; n++) await client.ask('POST', '/tasks', { title: `task ${n}` });
    const { status, body: begun } = await client.ask('POST', `/tasks/export?export_format=${format}`);
    assert.equal(status, 202);
    let last = begun;
    await until(
      async () => {
        last = (await client.ask('GET', `/tasks/export-status/${begun.task_id}`)).body;
        return last.download;
      },
      () => JSON.stringify(last),
    );
    assert.deepEqual([last.status, last.done, last.total], ['SUCCESS', 3, 3]);
    const { body: file } = await client.ask('GET', last.download);
    if (format === 'json')
      assert.deepEqual(
        file.map(({ title }: { title: string }) => title),
        ['task 1', 'task 2', 'task 3'],
      );
    else assert.equal(file.trim().split('\r\n').length, 4);
    assert.equal((await client.ask('GET', '/tasks/exports')).body[0].task_id, begun.task_id);
    const stranger = new Client(() => tracker.url);
    await stranger.register();
    assert.equal((await stranger.ask('GET', last.download)).status, 404);
  });

test('a bulk update says of each task what became of it', async () => {
  await client.register();
  const ids: number[] = [];
  for (let n = 0; n < 3; n++) ids.push((await client.ask('POST', '/tasks', { title: `${n}` })).body.id);
  const request = { task_ids: [...ids, 999_999], update_data: { priority: 'urgent' } };
  const { status, body: begun } = await client.ask('POST', '/tasks/bulk-update', request);
  assert.equal(status, 202);
  let last = begun;
  await until(
    async () => {
      last = (await client.ask('GET', `/tasks/bulk-update/${begun.task_id}`)).body;
      return last.done === 4;
    },
    () => JSON.stringify(last),
  );
  assert.deepEqual(
    last.items.map(({ outcome }: { outcome: string }) => outcome),
    ['updated', 'updated', 'updated', 'not found'],
  );
  assert.equal((await client.ask('GET', '/tasks?priority=urgent')).body.total, 3);
});

test('health, cache and documentation answer without a login; a page of a foreign origin cannot write', async () => {
  const stranger = new Client(() => tracker.url);
  const { body: health } = await stranger.ask('GET', '/health');
  assert.deepEqual(
    [health.status, health.database, health.broker, health.cache.available],
    ['ok', true, true, true],
  );
  assert.equal((await stranger.ask('GET', '/openapi.json')).body.openapi, '3.1.0');
  assert.match((await stranger.ask('GET', '/docs')).body, /swagger/);
  const forged = await fetch(`${tracker.url}/tasks`, {
    method: 'POST',
    headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
    body: '{}',
  });
  assert.equal(forged.status, 403);
});

test('pages of the origins in CORS_ORIGINS may use the API, and no others', async () => {
  const allowed = async (origin: string) => {
    const { headers } = await fetch(`${tracker.url}/health`, { headers: { origin } });
    return headers.get('access-control-allow-origin');
  };
  assert.equal(await allowed('https://app.example'), 'https://app.example');
  assert.equal(await allowed('https://other.example'), null);
});

test('what is overdue is told once, in one mail', async () => {
  await client.register();
  for (const title of ['Late', 'Later']) await client.ask('POST', '/tasks', { title, deadline: inHours(-1) });
  const check = () => tracker.umbel('call', 'tracker.check_overdue_tasks', '--wait', '60');
  await check();
  await until(
    () => mailsAbout('2 tasks are overdue').length > 0,
    () => `the mail; said so far:\n${tracker.said}`,
  );
  assert.match((await check()).trim().split('\n').at(-1) ?? '', /\b0$/);
  assert.match(mailsAbout('2 tasks are overdue')[0]?.text ?? '', /- Late(?:r)?\n +- Late/);
  assert.equal(mailsAbout('2 tasks are overdue').length, 1);
});

test('statistics are counted by a task, which may also be called by hand', async () => {
  const said = await tracker.umbel('call', 'tracker.process_task_statistics', '--wait', '60');
  assert.ok(Number(said.trim().split('\n').at(-1)) > 0, said);
});

const { REDIS_URL: redisUrl } = process.env;
test('Redis keeps lists and tasks for five minutes, statistics for an hour', {
  skip: redisUrl === undefined && 'REDIS_URL is not set',
}, async () => {
  await client.register();
  const { body: task } = await client.ask('POST', '/tasks', { title: 'kept' });
  const { body: me } = await client.ask('GET', '/auth/me');
  for (const path of ['/tasks', `/tasks/${task.id}`, '/tasks/statistics']) await client.ask('GET', path);
  const redis = await createClient({ url: redisUrl ?? '' }).connect();
  const kept = await Promise.all(
    ['list:*', 'task:*', 'statistics*'].map(async (name) => {
      const [key = ''] = await redis.keys(`tracker:${me.id}:*:${name}`);
      return Math.ceil((await redis.ttl(key)) / 60);
    }),
  );
  redis.destroy();
  assert.deepEqual(kept, [5, 5, 60]);
});

interface Listed {
  readonly name: string;
  readonly schedule: string;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly nextDue: string;
}
const schedules = async (): Promise<readonly Listed[]> =>
  JSON.parse(await tracker.umbel('schedule', 'list', '--json'));

test('for the time zone of each user there is a cleanup at 02:00', async () => {
  const cleanups = (await schedules()).filter(({ name }) => name.startsWith('cleanup'));
  assert.deepEqual(
    cleanups.map(({ name, task, args }) => [name, task, ...args]),
    [['cleanup at 02:00 in Asia/Tokyo', 'tracker.daily_cleanup', 'Asia/Tokyo']],
  );
  assert.match(cleanups[0]?.nextDue ?? '', /T17:00:00/); // 02:00 in Tokyo, which has no summer time
});

test('every hour it looks for what is overdue', async () => {
  const overdue = (await schedules()).find(({ name }) => name === 'overdue');
  assert.deepEqual([overdue?.schedule, overdue?.task], ['0 * * * *', 'tracker.check_overdue_tasks']);
});

test('the doctor of Umbel finds nothing wrong', async () => {
  const found = JSON.parse(await tracker.umbel('doctor', '--json')) as readonly { readonly check: string }[];
  // The Redis and RabbitMQ of a test keep nothing on disk.
  const ofTasks = found.filter(({ check }) => check !== 'persistence');
  assert.deepEqual(ofTasks, []);
});
