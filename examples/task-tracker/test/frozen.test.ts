// A Redis that is connected and does not answer, under everything: REDIS_URL names it, and REDIS_PID is its process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, inHours, Tracker, until } from './harness.ts';

const pid = Number(process.env.REDIS_PID ?? 0);
const skip = pid > 0 ? false : 'REDIS_PID is not set';

test('while Redis is silent tasks are read and written; what needs it says so, and is made up for', {
  skip,
}, async () => {
  await using tracker = await Tracker.start('web', 'worker');
  const client = new Client(() => tracker.url);
  await client.register();
  const { id } = (await client.ask('POST', '/tasks', { title: 'before' })).body;
  const titles = async () => {
    const { body } = await client.ask('GET', '/tasks');
    return body.items.map(({ title }: { title: string }) => title);
  };
  assert.deepEqual(await titles(), ['before']); // it is in the cache now
  let exported = '';
  process.kill(pid, 'SIGSTOP');
  try {
    assert.deepEqual(await titles(), ['before']);
    assert.equal((await client.ask('PATCH', `/tasks/${id}`, { title: 'after' })).status, 200);
    assert.deepEqual(await titles(), ['after']);
    assert.equal((await client.ask('GET', `/tasks/${id}`)).body.title, 'after');
    assert.equal((await client.ask('GET', '/tasks/statistics')).body.total, 1);
    assert.equal((await client.ask('GET', '/')).status, 200);
    assert.equal((await client.ask('PATCH', '/auth/me', { timezone: 'Europe/Berlin' })).status, 200);
    const reminded = { title: 'Reminded', deadline: inHours(3) };
    assert.equal((await client.ask('POST', '/tasks', reminded)).status, 201);
    const begun = await client.ask('POST', '/tasks/export');
    assert.deepEqual([begun.status, begun.body.status], [202, 'PENDING']);
    exported = begun.body.task_id;
    const status = await client.ask('GET', `/tasks/export-status/${exported}`);
    assert.deepEqual([status.status, /try again/.test(status.body.detail)], [503, true]);
    const { body: health } = await client.ask('GET', '/health');
    assert.deepEqual([health.database, health.broker, health.cache.available], [true, false, false]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(
    async () => (await client.ask('GET', `/tasks/export-status/${exported}`)).body.status === 'SUCCESS',
    () => `the export; said:\n${tracker.said}`,
  );
  await until(
    () => [...tracker.catcher.mails.values()].some(({ subject }) => subject === 'Due soon: Reminded'),
    () => `the reminder; said:\n${tracker.said}`,
  );
});
