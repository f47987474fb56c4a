// What happens in our worker, heard in Python; and what nobody can read.
import { expect, test } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { celeryExchanges } from '../../src/stores/fanout.ts';
import { bodies, message } from '../control/malformed-bodies.ts';
import { patience, until } from '../until.ts';
import type { Between } from './command-cases.ts';
import { PythonProcess } from './harness/python-process.ts';

export function eventCases(between: () => Between): void {
  test("Python's events see what happens here", async () => {
    const { app, node, python: settings } = between();
    await using python = new PythonProcess(
      'celery events',
      ['-m', 'celery', '-A', 'interop_app', 'events', '--dump'],
      { settings: settings },
    );
    const seen: string[] = [];
    const reading = (async (): Promise<void> => {
      for (;;) {
        const line = await python.line().catch(() => null);
        if (line === null) return;
        seen.push(line);
      }
    })();
    await until(() => seen.some((line) => /heartbeat/i.test(line)), 'a heartbeat');
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], ...patience });
    const sum = await app.send('ts.add', [2, 3], { queue: 'ts' });
    await sum.get(patience);
    const failed = await app.send('ts.fail', [], { queue: 'ts' });
    await expect(failed.get(patience)).rejects.toThrow('no good');
    const says = (id: string, state: string): boolean =>
      seen.some((line) => line.includes(id) && line.toLowerCase().includes(state));
    await until(() => says(sum.id, 'received'));
    await until(() => says(sum.id, 'succeeded'));
    await until(() => says(failed.id, 'failed'));
    expect(seen.some((line) => line.includes("RangeError('no good')"))).toBe(true);
    await python.end('SIGKILL');
    await reading;
  });

  test("Celery's own state of a cluster, which Flower shows, knows our worker and its tasks", async () => {
    const { app, node, python: settings } = between();
    await using monitor = new PythonProcess('the monitor', ['watch_state.py'], { settings });
    expect(await monitor.line()).toBe('ready');
    const known = async (): Promise<Known> => {
      monitor.tell('?');
      return JSON.parse(await monitor.line()) as Known; // the program's
    };
    await until(async () => (await known()).workers[node]?.alive);
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], ...patience });
    const [good, bad] = [
      await app.send('ts.add', [2, 3], { queue: 'ts' }),
      await app.send('ts.fail', [], { queue: 'ts' }),
    ];
    const states = async (): Promise<unknown[]> => {
      const { tasks } = await known();
      return [tasks[good.id]?.state, tasks[bad.id]?.state];
    };
    await expect.poll(states).toEqual(['SUCCESS', 'FAILURE']);
    const { tasks, workers, types } = await known();
    expect(workers[node]).toMatchObject({
      freq: expect.any(Number),
      active: expect.any(Number),
      processed: expect.any(Number),
      loadavg: [expect.any(Number), expect.any(Number), expect.any(Number)],
      sw_ident: 'js-umbel',
      pid: process.pid,
    });
    await expect.poll(async () => (await known()).workers[node]?.status_string).toBe('ONLINE');
    expect(tasks[good.id]).toMatchObject({
      name: 'ts.add',
      args: '(2, 3)',
      kwargs: '{}',
      result: '5',
      worker: node,
      root_id: good.id,
      retries: 0,
      runtime: expect.any(Number),
      sent: expect.any(Number),
      received: expect.any(Number),
      started: expect.any(Number),
      succeeded: expect.any(Number),
    });
    expect(tasks[bad.id]).toMatchObject({
      name: 'ts.fail',
      exception: "RangeError('no good')",
      worker: node,
    });
    expect(types).toEqual(expect.arrayContaining(['ts.add', 'ts.fail']));
  });

  // With none of Python's there: Celery's own workers do not bear all of it.
  test('malformed requests, replies and events harm no worker of ours, and are said once', async () => {
    const { app, node, log } = between();
    expect(bodies.length).toBeGreaterThan(100);
    const errors = log.texts('error').length;
    const malformed: string[] = [];
    await using _hearing = await captureEvents(app, () => undefined, {
      onMalformed: (detail) => malformed.push(detail),
    });
    const { fanout } = await app.broker();
    for (const body of bodies)
      await Promise.all([
        fanout.publish(celeryExchanges.control, '', message(body)),
        fanout.publish(celeryExchanges.events, 'task.multi', message(body)),
        fanout.publish(celeryExchanges.replies, 'nobody', message(body)),
      ]);
    await fanout.publish(celeryExchanges.control, '', message('x', 'application/x-python-serialize'));
    await using control = new Control(app);
    const { replies } = await control.ping({ destination: [node], ...patience });
    expect(replies.get(node)).toEqual({ ok: 'pong' });
    expect(await (await app.send('ts.add', [2, 3], { queue: 'ts' })).get(patience)).toBe(5);
    await until(() => malformed.length > 100);
    const said = log.texts('warn').filter((text) => text.startsWith('a message to workers is no request'));
    expect(said).toHaveLength(1);
    const grave = log.texts('error').slice(errors);
    expect(grave.filter((text) => !text.startsWith('the command'))).toEqual([]);
  });
}

/** What `watch_state.py` says. */
export interface Known {
  readonly tasks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly workers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly types: readonly string[];
}
