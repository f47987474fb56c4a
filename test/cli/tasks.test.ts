// `umbel recorder` as a process that is killed, and `umbel tasks`, which asks what it wrote.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chord } from '../../src/app/compose.ts';
import { openHistoryOf } from '../../src/app/history-work.ts';
import { mergeFacts, type TaskFacts } from '../../src/history/facts.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { needs, noProgram } from '../needs.ts';
import { shell } from '../servers/harm.ts';
import { patience, until } from '../until.ts';
import { project, shop, start, umbel, workerOf } from './harness.ts';

const recorder = ['-A', './app.js', 'recorder', '--log-format', 'json'];

needs(test, noProgram('sqlite3', '--version', 'sqlite3'))(
  'what a recorder has written stays when it is killed, and the next one goes on',
  async () => {
    const folder = project({ 'app.js': shop });
    const nothing = await umbel(folder, ['tasks', 'list']);
    expect(nothing).toMatchObject({ code: 0, stdout: 'No tasks.\n' });
    expect(nothing.stderr).toContain('start one: umbel recorder');

    const first = start(folder, recorder);
    await first.said(/recorder ready/);
    await workerOf(folder, { taskEvents: true });
    const app = new App('shop', { broker: `sqlite://${join(folder, '.umbel', 'store.db')}` });
    try {
      const tail = start(folder, ['tasks', 'tail', 'state:success', '--json', '--limit', '1']);
      await tail.said(/Listening for changes/);
      const sum = await app.send('shop.add', [1, 2]);
      await sum.get(patience);
      expect(await tail.ended).toMatchObject({ code: 0 });
      expect(tail.stdout).toContain(sum.id);
      await until(async () => (await app.history.counts()).SUCCESS === 1, 'the first task in the history');
      first.child.kill('SIGKILL');
      await first.ended;

      const second = start(folder, recorder);
      await second.said(/recorder ready/);
      const bad = await app.send('shop.fail', ['no good']);
      await bad.get({ ...patience, propagate: false }).catch(() => undefined);
      // Warm: what was heard is written.
      await until(async () => (await app.history.counts('name:shop.fail')).FAILURE === 1, 'the second task');
      second.child.kill('SIGTERM');
      expect(await second.ended).toMatchObject({ code: 0 });

      const [, id = ''] = /"registered":"([^"]+)"/.exec(second.stdout + second.stderr) ?? [];
      const unregister = (which: string) => umbel(folder, ['recorder', '--unregister', which]);
      expect((await unregister('other')).stderr).toContain(
        `no recorder is registered as 'other'; there are ${id} (seen `,
      );
      expect((await unregister(id)).stderr).toContain('ago: stop it');
      shell(join(folder, '.umbel', 'store.db'), 'UPDATE history_reader SET seen = seen - 300000');
      expect(await unregister(id)).toMatchObject({ code: 0, stdout: expect.stringContaining('has ended') });
      expect((await unregister(id)).stderr).toContain('; no recorder is registered');
      const audited = await umbel(folder, ['audit', '--action', 'recorder.*', '--json']);
      expect(JSON.parse(audited.stdout)).toMatchObject([{ action: 'recorder.unregister', target: id }]);

      const listed = await umbel(folder, ['tasks', 'list', '--json']);
      const { tasks } = JSON.parse(listed.stdout) as { tasks: { name: string; state: string }[] };
      expect(tasks.map(({ name, state }) => [name, state])).toEqual([
        ['shop.fail', 'FAILURE'],
        ['shop.add', 'SUCCESS'],
      ]);
      const found = await umbel(folder, ['tasks', 'list', 'state:failure', '"no good"']);
      expect(found.stdout).toContain(bad.id);
      const shown = await umbel(folder, ['tasks', 'show', bad.id]);
      expect(shown.stdout).toContain("TypeError('no good')");
      const counted = await umbel(folder, ['tasks', 'counts', '--by', 'name', '--json']);
      expect(JSON.parse(counted.stdout)).toEqual([
        { name: 'shop.add', tasks: 1 },
        { name: 'shop.fail', tasks: 1 },
      ]);
      const waited = await umbel(folder, ['tasks', 'wait', bad.id, sum.id, '--json']);
      expect(waited.code).toBe(1);
      expect(JSON.parse(`[${waited.stdout.trim().replaceAll('\n', ',')}]`)).toEqual(
        expect.arrayContaining([
          { id: sum.id, state: 'SUCCESS', error: null },
          { id: bad.id, state: 'FAILURE', error: expect.stringContaining('no good') },
        ]),
      );
      const early = await umbel(folder, ['tasks', 'wait', 'nobody', '--timeout', '50ms']);
      expect(early).toMatchObject({ code: 3, stdout: '', stderr: 'not ended yet: nobody\n' });
      const wrong = await umbel(folder, ['tasks', 'list', 'colour:red']);
      expect(wrong.code).not.toBe(0);
      expect(wrong.stderr).toContain("there is no field 'colour'");
      expect((await umbel(folder, ['tasks', 'show', 'nobody'])).stderr).toContain("no task 'nobody'");
    } finally {
      await app.close();
    }
  },
);

test('a chord that waits for a lost member is shown, and repaired', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  const app = new App('shop', { broker: `sqlite://${join(folder, '.umbel', 'store.db')}` });
  try {
    const members = ['celery', 'nobody'].map((queue) => app.signature('shop.add', [1, 2], { queue }));
    const result = await chord(members, app.signature('shop.log', [], { immutable: true })).delay();
    const id = result.parent?.id ?? '';
    await until(async () => (await app.chords.get(id))?.counted === 1, 'the first member');
    const shown = await umbel(folder, ['tasks', 'chord', id]);
    expect(shown.stdout).toContain(`open: chord ${id}, body shop.log ${result.id}`);
    expect(shown.stdout).toContain('1 of 2 members have ended');
    expect(shown.stdout).toContain("no-worker: no worker serves its queue 'nobody'");
    const kept = await umbel(folder, ['tasks', 'chord', 'fire', id]);
    expect(kept.code, 'nobody can be asked').toBe(2);
    expect(kept.stderr).toContain('--force');
    const missing = (await app.chords.get(id))?.members[1]?.id ?? '';
    const wrong = await umbel(folder, ['tasks', 'chord', 'give', id, missing, 'nothing']);
    expect(wrong.stderr).toContain('It is not JSON');
    const given = await umbel(folder, [
      'tasks',
      'chord',
      'give',
      id,
      missing,
      '3',
      '--json',
      '--reason',
      'lost',
    ]);
    expect(JSON.parse(given.stdout)).toMatchObject({ id, state: 'done' });
    expect(await result.get(patience)).toBe('logged');
    const unknown = await umbel(folder, ['tasks', 'chord', 'nothing']);
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no chord 'nothing' is known"),
    });
  } finally {
    await app.close();
  }
});

test('why names the first obstacle on the way of a task', async () => {
  const folder = project({ 'app.js': shop });
  const app = new App('shop', { broker: `sqlite://${join(folder, '.umbel', 'store.db')}` });
  try {
    const sent = await app.send('shop.add', [1, 2]);
    const alone = await umbel(folder, ['-A', './app.js', 'why', sent.id, '-t', '0.2']);
    expect(alone).toMatchObject({ code: 0 });
    expect(alone.stdout).toBe(
      "no-worker: no worker serves its queue 'celery' (routed there by taskDefaultQueue); no worker answers: umbel worker -Q celery\n",
    );
    const quick = ['-t', '0.2'];
    const pause = await umbel(folder, ['queues', 'pause', 'celery', '--reason', 'it is late', ...quick]);
    expect(pause).toMatchObject({ code: 0, stdout: 'Paused: queue celery (workers that confirmed it: 0)\n' });
    const paused = await umbel(folder, ['why', sent.id, ...quick]);
    expect(paused.stdout).toMatch(
      /^paused: its queue 'celery' is paused since \S+Z by \S+@\S+: it is late \(umbel queues resume celery\)\n$/,
    );
    expect((await umbel(folder, ['queues'])).stdout).toMatch(/Paused: queue celery since .*: it is late\n/);
    expect((await umbel(folder, ['queues', 'resume', 'celery', ...quick])).stdout).toContain(
      'Resumed: queue',
    );
    const worker = start(folder, ['-A', './app.js', 'worker', '--log-format', 'json', '-l', 'info']);
    expect(await sent.get(patience)).toBe(3);
    const ended = await umbel(folder, ['-A', './app.js', 'why', sent.id, '-t', '0.2', '--json']);
    expect(JSON.parse(ended.stdout)).toMatchObject({ id: sent.id, kind: 'ended', state: 'SUCCESS' });
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toMatchObject({ code: 0 });
    const queues = await umbel(folder, ['-A', './app.js', 'queues', '--json']);
    expect(JSON.parse(queues.stdout)).toMatchObject([{ name: 'celery', ready: 0, drainsIn: 0 }]);
  } finally {
    await app.close();
  }
});

test('a job that runs tasks again is killed and resumed: each task is sent once', async () => {
  const folder = project({ 'app.js': shop });
  const app = new App('shop', { broker: `sqlite://${join(folder, '.umbel', 'store.db')}` });
  const history = await openHistoryOf(app.config);
  try {
    const ids = Array.from({ length: 400 }, (_, n) => `old-${n}`);
    await history.merge(ids.map(failedTask), null);
    const retry = ['-A', './app.js', 'tasks', 'retry', '--query', 'state:failure'];
    const asked = await umbel(folder, retry);
    expect(asked).toMatchObject({ code: 2, stdout: '400 tasks found: 400 can run again, 0 cannot.\n' });
    expect(asked.stderr).toContain('add --force (-f) if you are sure');
    const dry = await umbel(folder, [...retry, '--dry-run']);
    expect(dry).toMatchObject({ code: 0, stdout: asked.stdout });
    expect(await app.history.retryJobs()).toEqual([]);

    const first = start(folder, [...retry, '--rate', '200/s', '--force', '--json']);
    let id = '';
    await until(async () => {
      const job = (await app.history.retryJobs()).find(({ sent }) => sent >= 60);
      id = job?.id ?? '';
      return job !== undefined;
    });
    first.child.kill('SIGKILL');
    await first.ended;
    expect((await umbel(folder, ['tasks', 'job', 'show', id])).stdout).toContain('paused: its process died');
    expect(await umbel(folder, ['-A', './app.js', 'tasks', 'job', 'resume', id])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('400 sent, 0 not sent yet'),
    });

    const sent = await app.queues.peek('celery', { limit: 1_000 });
    expect(sent.map(({ call }) => call?.args[0]).sort()).toEqual([...ids].sort());
    expect(new Set(sent.map(({ call }) => call?.id)).size).toBe(400);
    const listed = await umbel(folder, ['tasks', 'job', '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id, state: 'done', sent: 400 }]);
  } finally {
    await history.close();
    await app.close();
  }
});

function failedTask(uuid: string, n: number): TaskFacts {
  const event = { hostname: 'w@here', utcoffset: 0, pid: 1, timestamp: 1_763_776_800 + n, uuid };
  const umbel = { args: [uuid], kwargs: {}, queue: 'celery', priority: 0 };
  const received = readTaskEvent({ ...event, type: 'task-received', clock: 1, name: 'shop.fail', umbel });
  const failed = readTaskEvent({ ...event, type: 'task-failed', clock: 2 });
  return received !== null && failed !== null
    ? mergeFacts(received, failed)
    : expect.fail('no events of a task');
}
