// What programs that watch show of the other language's worker.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { command, start, umbel } from '../cli/harness.ts';
import { askedUntil } from '../control/asking.ts';
import { patience } from '../until.ts';
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
