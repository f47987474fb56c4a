// What happens in a worker of one language, heard in the other; and what nobody can read.
import { expect, test } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import type { WireEvent } from '../../src/protocol/event.ts';
import { controlExchange, eventExchange, replyExchange } from '../../src/transports/fanout.ts';
import { bodies, message } from '../control/malformed-bodies.ts';
import type { Between } from './command-cases.ts';
import { PythonProcess } from './harness/python-process.ts';
import { PythonWorker } from './harness/python-worker.ts';

export function eventCases(between: () => Between): void {
  test("what happens in both is heard here, in Celery's form", { timeout: 60_000 }, async () => {
    const { app, node, python: settings } = between();
    const heard: WireEvent[] = [];
    const state = new ClusterState();
    await using _hearing = await captureEvents(app, (event) => {
      heard.push(event);
      state.add(event);
    });
    await using _python = await PythonWorker.start({
      settings: { ...settings, worker_send_task_events: true },
      queues: ['py'],
      name: 'python@here',
    });
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], timeout: 5 });
    const sum = await app.send('py.add', [2, 3], { queue: 'py' });
    await sum.get({ timeout: 10 });
    const ours = await app.send('ts.add', [2, 3], { queue: 'ts' });
    await ours.get({ timeout: 10 });
    await expect.poll(() => state.task(sum.id)?.state, { timeout: 10_000 }).toBe('SUCCESS');
    await expect.poll(() => state.task(ours.id)?.state, { timeout: 10_000 }).toBe('SUCCESS');
    expect(state.task(sum.id)).toMatchObject({ name: 'py.add', worker: 'python@here', result: '5' });
    expect(state.task(ours.id)).toMatchObject({
      name: 'ts.add',
      worker: node,
      result: '5',
      args: '(2, 3)',
    });
    await expect
      .poll(() => state.aliveWorkers().map(({ hostname }) => hostname), { timeout: 10_000 })
      .toEqual(['python@here', node]);
    // The same fields, of both.
    const fieldsOf = (id: string, type: string): string[] =>
      Object.keys(heard.find((event) => event.uuid === id && event.type === type) ?? {}).sort();
    for (const type of ['task-received', 'task-started', 'task-succeeded']) {
      const theirs = fieldsOf(sum.id, type);
      expect(theirs.length).toBeGreaterThan(5);
      const missingHere = theirs.filter((field) => !fieldsOf(ours.id, type).includes(field));
      expect(missingHere.filter((field) => field !== 'local_received')).toEqual([]);
    }
  });

  test("Python's events see what happens here", { timeout: 60_000 }, async () => {
    const { app, node, python: settings } = between();
    await using python = new PythonProcess(
      'celery events',
      ['-m', 'celery', '-A', 'interop_app', 'events', '--dump'],
      { settings: settings },
    );
    const seen: string[] = [];
    const reading = (async (): Promise<void> => {
      for (;;) {
        const line = await python.line(30_000).catch(() => null);
        if (line === null) return;
        seen.push(line);
      }
    })();
    await expect.poll(() => seen.some((line) => /heartbeat/i.test(line)), { timeout: 20_000 }).toBe(true);
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], timeout: 5 });
    const sum = await app.send('ts.add', [2, 3], { queue: 'ts' });
    await sum.get({ timeout: 10 });
    const failed = await app.send('ts.fail', [], { queue: 'ts' });
    await expect(failed.get({ timeout: 10 })).rejects.toThrow();
    const says = (id: string, state: string): boolean =>
      seen.some((line) => line.includes(id) && line.toLowerCase().includes(state));
    await expect.poll(() => says(sum.id, 'received'), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => says(sum.id, 'succeeded'), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => says(failed.id, 'failed'), { timeout: 10_000 }).toBe(true);
    expect(seen.some((line) => line.includes("RangeError('no good')"))).toBe(true);
    await python.end('SIGKILL');
    await reading;
  });

  test('malformed requests, replies and events harm no worker of ours, and are said once', {
    timeout: 60_000,
  }, async () => {
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
        fanout.publish(controlExchange, '', message(body)),
        fanout.publish(eventExchange, 'task.multi', message(body)),
        fanout.publish(replyExchange, 'nobody', message(body)),
      ]);
    await fanout.publish(controlExchange, '', message('x', 'application/x-python-serialize'));
    await using control = new Control(app);
    const { replies } = await control.ping({ destination: [node], timeout: 20 });
    expect(replies.get(node)).toEqual({ ok: 'pong' });
    expect(await (await app.send('ts.add', [2, 3], { queue: 'ts' })).get({ timeout: 20 })).toBe(5);
    await expect.poll(() => malformed.length, { timeout: 20_000 }).toBeGreaterThan(100);
    const said = log.texts('warn').filter((text) => text.startsWith('a request to workers that is none'));
    expect(said).toHaveLength(1);
    const grave = log.texts('error').slice(errors);
    expect(grave.filter((text) => !text.startsWith('the command'))).toEqual([]);
  });
}
