import { hostname, userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { Schedules } from '../../src/beat/beat.ts';
import { Control } from '../../src/control/control.ts';
import { CannotAuditError, ConfigError } from '../../src/errors.ts';
import { every } from '../../src/schedules/every.ts';
import { maxAudited } from '../../src/stores/audit-store.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { openSqliteAudit } from '../../src/stores/sqlite/sqlite-audit.ts';
import { newApp } from '../worker/bench.ts';

test('each action leaves who did it, what, and why, before it is done; a look leaves nothing', async () => {
  const app = await newApp('sqlite');
  const { queues, audit } = app;
  await using control = new Control(app);
  const { id } = await app.send('mail.send', [1], { countdown: 3_600 });
  const begun = Date.now();
  await queues.move('celery', 'slow', { query: 'name:mail.*', limit: 5 });
  await queues.promote(id);
  await queues.reschedule({ query: 'name:mail.*' }, { priority: 9, queue: 'later' });
  await queues.purge('later');
  const brief = { timeout: 0.01 };
  await control.pause({ queue: 'mail' }, { ...brief, by: 'eve', reason: 'repairs' });
  await control.resume({ queue: 'mail' }, brief);
  await control.revoke(['a', 'b'], { ...brief, terminate: true });
  await control.revokeByStamps({ customer: '7' }, brief);
  await control.revokeWorkflow('root', brief);
  await app.deadLetters.discard([1, 2]);
  await app.deadLetters.replay({ task: 'mail.*' });
  await using schedules = await Schedules.open(app);
  await schedules.add('pulse', every('1h'), 'mail.send');
  await schedules.pause('pulse');
  await schedules.remove('pulse');
  await audit.as({ user: 'ann', role: 'operator', address: '::1', reason: 'a storm' }, async () => {
    await queues.purge('celery', { query: 'name:x' });
    await audit.as({ reason: 'more' }, () => queues.purge('celery'));
  });
  await audit.without(() => queues.purge('celery'));
  // Looks, and what is refused.
  await queues.purge('celery', { dryRun: true });
  await queues.promote({ query: 'name:x' }, { dryRun: true });
  await expect(queues.move('celery', 'celery')).rejects.toThrow(ConfigError);
  const entries = await audit.list();
  expect(entries.map(({ action, target }) => `${action} ${target}`).reverse()).toEqual([
    'queue.move celery -> slow: name:mail.*, at most 5',
    `task.promote ${id}`,
    'task.reschedule queue later, priority 9: name:mail.*',
    'queue.purge later',
    'queue.pause mail',
    'queue.resume mail',
    'task.terminate a b',
    'task.revoke stamps customer=7',
    'workflow.revoke root',
    'dead-letter.discard 1 2',
    'dead-letter.replay task: mail.*',
    'schedule.add pulse',
    'schedule.pause pulse',
    'schedule.delete pulse',
    'queue.purge celery: name:x',
    'queue.purge celery',
  ]);
  const me = `${userInfo().username}@${hostname()}`;
  const first = entries.at(-1);
  expect(first).toMatchObject({ user: me, role: '', address: '', reason: '' });
  expect(first?.at.getTime()).toBeGreaterThanOrEqual(begun);
  expect(entries[0]).toMatchObject({ user: 'ann', role: 'operator', address: '::1', reason: 'more' });
  expect(await audit.list({ user: 'eve' })).toMatchObject([{ action: 'queue.pause', reason: 'repairs' }]);
  expect(await audit.list({ action: 'schedule.*', limit: 2 })).toMatchObject([
    { action: 'schedule.delete' },
    { action: 'schedule.pause' },
  ]);
  expect((await audit.list({ target: 'pulse', before: entries[2]?.id ?? 0 })).length).toBe(2);
  await expect(audit.list({ limit: 0 })).rejects.toThrow(ConfigError);
});

test('an action whose entry cannot be written is not done', async () => {
  const app = await newApp('sqlite');
  await app.send('a');
  const broker = await app.broker();
  broker.openAudit = () => Promise.reject(new Error('the disk is full'));
  await expect(app.queues.purge('celery')).rejects.toThrow('the disk is full');
  expect((await broker.size('celery')).ready).toBe(1);
});

test('where no store can keep it, it is off, and says so to who asks', async () => {
  const app = await newApp('memory');
  const { transport, backend } = await app.open();
  for (const store of [transport, backend]) Object.assign(store ?? {}, { openAudit: undefined });
  expect(await app.queues.purge('celery')).toBe(0);
  expect(await app.audit.isKept()).toBe(false);
  await expect(app.audit.list()).rejects.toThrow(CannotAuditError);
});

test('the newest ten thousand are kept', async () => {
  const app = await newApp('sqlite');
  const { store } = await app.broker();
  if (!(store instanceof SqliteStore)) throw new TypeError('not over SQLite');
  const log = await openSqliteAudit(store);
  const record = { at: new Date(), user: 'u', role: '', action: 'a', reason: '', address: '' };
  await Promise.all(
    Array.from({ length: maxAudited + 5 }, (_, n) => log.add({ ...record, target: String(n) })),
  );
  const kept = await app.audit.list({ limit: 2 * maxAudited });
  expect([kept.length, kept[0]?.target, kept.at(-1)?.target]).toEqual([maxAudited, '10004', '5']);
});
