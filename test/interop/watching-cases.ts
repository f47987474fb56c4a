// What programs that watch show of the other language's worker.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { createDashboard } from '../../src/dashboard/server/dashboard.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { command, start, umbel } from '../cli/harness.ts';
import { askedUntil } from '../control/asking.ts';
import { patience } from '../until.ts';
import { newFolder } from '../worker/bench.ts';
import type { Between } from './command-cases.ts';

/** `there`: the name of Python's worker, which serves the queue of that name without the host. */
export function watchingCases(between: () => Between, there: string, queue: string): void {
  test("Python's list, report, status and graph say of our side what is so", async () => {
    const { celery, node, urls } = between();
    const status = await askedUntil(
      (timeout) => celery('status', '-j', '-t', String(timeout)),
      (printed) => printed.includes(node),
    );
    expect(JSON.parse(status.split('\n')[0] ?? '')).toMatchObject({ [node]: { ok: 'pong' } });
    // It asks all workers, and waits a second.
    await askedUntil(
      () => celery('graph', 'workers'),
      (graph) => graph.includes(node),
    );
    const [report, bindings] = [await celery('report'), await celery('list', 'bindings')];
    expect(report).toContain('software -> celery:');
    // Of RabbitMQ it asks the management plugin, which these servers do not have.
    if (urls.broker.startsWith('redis')) expect(bindings).toMatch(/^celery +celery +celery *$/m);
  });

  test("our recorder keeps the tasks of Python's worker", async () => {
    const { app, urls } = between();
    const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
    await using keeper = new App('keeper', { broker: urls.broker, historyStore });
    await using recorder = new Recorder(keeper);
    await recorder.start();
    // Python's worker sends no events until it has been asked to. Our sender's come by another connection, and may arrive after them.
    const whole = 'name:py.add state:success received:* sent:*';
    const isKept = async (): Promise<boolean> => {
      const sum = await app.send('py.add', [40, 2], { queue });
      await sum.get(patience);
      await recorder.flush();
      const { tasks } = await keeper.history.list(whole);
      return tasks.length > 0;
    };
    await expect.poll(isKept, { interval: 500 }).toBe(true);
    const [task] = (await keeper.history.list(whole)).tasks;
    expect(task).toMatchObject({
      worker: there,
      argsRepr: '(40, 2)',
      result: '42',
      args: [40, 2], // as our sender tells
      queue,
      retries: 0,
      receivedAt: expect.any(Number),
      startedAt: expect.any(Number),
      runtimeMs: expect.any(Number),
    });
  });

  test("our dashboard shows and steers Python's workers and ours", async () => {
    const { node, urls } = between();
    const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
    // As `umbel -b URL flower`: it has no task of its own.
    await using bare = new App('umbel', { broker: urls.broker, backend: urls.backend, historyStore });
    await using dashboard = createDashboard(bare, { insecure: true, inspectTimeout: '10s' });
    const ask = async (path: string, body?: string): Promise<{ status: number; said: unknown }> => {
      const init = body === undefined ? {} : { method: 'POST', body };
      const answer = await dashboard.fetch(new Request(`http://localhost/api/${path}`, init));
      const text = await answer.text();
      return { status: answer.status, said: text.startsWith('{') ? JSON.parse(text) : text };
    };
    for (const worker of [there, node]) {
      const { said } = await ask(`workers?workername=${worker}`);
      expect(said).toMatchObject({
        [worker]: { stats: { pool: {} }, active_queues: [{ name: expect.any(String) }], conf: {} },
      });
    }
    for (const [task, at, by, other] of [
      ['py.add', queue, there, 'py.describe'],
      ['ts.add', 'ts', node, 'ts.add'],
    ] as const) {
      const call = JSON.stringify({ args: [40, 2], queue: at });
      expect((await ask(`task/apply/${task}`, call)).said).toMatchObject({ result: 42, state: 'SUCCESS' });
      // Until it does as it is asked, its tasks are told of by nobody.
      const told = async (): Promise<unknown> => {
        const { said } = await ask(`task/async-apply/${task}`, call);
        const { 'task-id': id } = said as { 'task-id': string };
        await ask(`task/result/${id}?timeout=60`);
        return (await ask(`task/info/${id}`)).said;
      };
      await expect
        .poll(told, { interval: 500 })
        .toMatchObject({ name: task, state: 'SUCCESS', worker: by, result: '42', args: '(40, 2)' });
      const limited = `task/rate-limit/${other}?workername=${by}&ratelimit=`;
      expect((await ask(`${limited}1000/s`, '')).said).toEqual({
        message: 'new rate limit set successfully',
      });
      expect((await ask(`${limited}0`, '')).status).toBe(200);
      // It would end a worker of Python's.
      expect((await ask(`worker/queue/add-consumer/${by}`, '')).status).toBe(422);
      expect((await ask(`worker/queue/add-consumer/${by}?queue=more`, '')).status).toBe(200);
      expect((await ask(`worker/queue/cancel-consumer/${by}?queue=more`, '')).said).toEqual({
        message: 'no longer consuming from more',
      });
    }
    expect((await ask('workers?status=1')).said).toMatchObject({ [there]: true, [node]: true });
    expect((await ask('queues/length')).said).toMatchObject({
      active_queues: expect.arrayContaining([expect.objectContaining({ name: queue, messages: 0 })]),
    });
    const metrics = await (await dashboard.fetch(new Request('http://localhost/metrics'))).text();
    expect(metrics).toContain(`task="py.add",type="task-succeeded"}`);
  });

  test("our events and top show Python's worker and its tasks", async () => {
    const { app, urls } = between();
    const at = ['-b', urls.broker, '--result-backend', urls.backend];
    const dump = start('.', [...at, 'events', '--dump']);
    const line = `stty cols 100 rows 30; exec ${process.execPath} ${command} ${at.join(' ')} events`;
    const screen = existsSync('/usr/bin/script')
      ? spawn('/usr/bin/script', ['-qec', line, '/dev/null'])
      : null;
    let drawn = '';
    screen?.stdout.setEncoding('utf8').on('data', (text: string) => {
      drawn += text;
    });
    try {
      await dump.said(/python@there \[.+\] worker-heartbeat/);
      // Both have asked workers to tell of their tasks; until they do, a task is told of by nobody.
      const sum = await app.send('py.add', [40, 2], { queue });
      await sum.get(patience);
      const shows = async (): Promise<boolean> => {
        const next = await app.send('py.add', [40, 2], { queue });
        await next.get(patience);
        return /task-succeeded/.test(dump.stdout) && (screen === null || /py\.add.+SUCCESS/.test(drawn));
      };
      await expect.poll(shows, { interval: 500 }).toBe(true);
      expect(dump.stdout).toMatch(
        /python@there \[.+\] task-received py\.add \S+ args=\(40, 2\), kwargs=\{\}/,
      );
      expect(dump.stdout).toMatch(/python@there \[.+\] task-succeeded py\.add \S+ .*result=42/);
      if (screen !== null) expect(drawn).toContain(there);
    } finally {
      screen?.kill('SIGKILL');
      dump.kill('SIGINT');
    }
    expect(await dump.ended).toMatchObject({ code: 0 });
    // It shows whom it has heard of in the time of a heartbeat.
    const top = await askedUntil(
      () => umbel('.', [...at, 'top', '--once', '--json']),
      ({ stdout }) => stdout.includes(there),
    );
    expect(top).toMatchObject({ code: 0 });
    expect(JSON.parse(top.stdout)).toMatchObject({
      workers: expect.arrayContaining([expect.objectContaining({ name: there })]),
    });
  });
}
