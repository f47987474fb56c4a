// Dead letters, found and changed by the application: the same on every broker.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { DeadLetter, ListDeadLetters } from '../../src/app/dead-letters.ts';
import { ConfigError, UnknownOptionError } from '../../src/errors.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import type { DeadReason, Delivery } from '../../src/stores/transport.ts';
import { patienceMs } from '../until.ts';
import { allBrokers, appOn, onEachBroker } from '../worker/everywhere.ts';
import { someMessage } from '../worker/some-message.ts';

interface Given {
  readonly id: string;
  readonly task?: string;
  readonly queue?: string;
  readonly args?: readonly unknown[];
  readonly reason?: DeadReason;
}

/** Lets messages die, in this order. */
async function bury(app: App, given: readonly Given[]): Promise<void> {
  const broker = await app.broker();
  const queues = [...new Set(given.map(({ queue = 'celery' }) => queue))];
  await using consumer = await broker.consume({ queues, name: 'undertaker', leaseMs: 15_000 });
  for (const { id, task = 'mail.send', queue = 'celery', args = [], reason = 'rejected' } of given) {
    const message = encodeTask(someMessage({ id, task, args }));
    await broker.publish([{ id, queue, message, eta: null }]);
    const [delivery] = await consumer.claim(() => 1, new AbortController().signal);
    await delivery?.settle({ kind: 'dead', reason, detail: `of ${id}` });
  }
}

/** A time that is later than all before and earlier than all after. */
async function moment(): Promise<Date> {
  await sleep(5);
  const now = new Date();
  await sleep(5);
  return now;
}

/** The ids of the calls. */
async function callsOf(app: App, filter?: ListDeadLetters): Promise<readonly (string | undefined)[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of app.deadLetters.list(filter)) letters.push(letter);
  return letters.map(({ call }) => call?.id);
}

/** What waits in a queue, claimed and acknowledged. */
async function take(app: App, count: number, queue = 'celery'): Promise<readonly string[]> {
  await using consumer = await (await app.broker()).consume({
    queues: [queue],
    name: 'taker',
    leaseMs: 15_000,
  });
  const taken: Delivery[] = [];
  while (taken.length < count) {
    for (const delivery of await consumer.claim(() => 8, AbortSignal.timeout(patienceMs))) {
      taken.push(delivery);
      await delivery.settle({ kind: 'ack' });
    }
  }
  return taken.map(({ message }) => String(message.ok && message.value.headers.id));
}

onEachBroker(allBrokers, (_, newUrls) => {
  it('are found by what they have in common', async () => {
    const app = appOn(await newUrls());
    await bury(app, [
      { id: 'a', task: 'mail.send', args: [{ to: 'ann@example.com' }] },
      { id: 'b', task: 'mail.count', reason: 'failed' },
    ]);
    const between = await moment();
    await bury(app, [
      { id: 'c', task: 'mailing', queue: 'slow', args: ['say "hi"'] },
      { id: 'd', task: 'mail.send', reason: 'max-deliveries', args: [12345678901234567890n] },
    ]);
    expect(await callsOf(app)).toEqual(['d', 'c', 'b', 'a']);
    expect(await callsOf(app, { task: 'mail.send' })).toEqual(['d', 'a']);
    expect(await callsOf(app, { task: 'mail.*' })).toEqual(['d', 'b', 'a']);
    expect(await callsOf(app, { task: /count$/g })).toEqual(['b']);
    expect(await callsOf(app, { queue: 'slow' })).toEqual(['c']);
    expect(await callsOf(app, { reason: ['failed', 'max-deliveries'] })).toEqual(['d', 'b']);
    expect(await callsOf(app, { diedBefore: between })).toEqual(['b', 'a']);
    expect(await callsOf(app, { diedAfter: between, task: 'mail.*' })).toEqual(['d']);
    expect(await callsOf(app, { text: 'ann@' })).toEqual(['a']);
    expect(await callsOf(app, { text: 'say "hi"' })).toEqual(['c']);
    expect(await callsOf(app, { text: '4567890' })).toEqual(['d']);
    expect(await callsOf(app, { task: 'mail.*', limit: 2 })).toEqual(['d', 'b']);
    const [newest = 0] = (await app.deadLetters.find({})).slice(-1);
    expect(await callsOf(app, { before: newest })).toEqual(['c', 'b', 'a']);
    const letter = await app.deadLetters.get(newest);
    expect(letter).toMatchObject({ id: newest, queue: 'celery', reason: 'max-deliveries', detail: 'of d' });
    expect(letter?.call).toMatchObject({ task: 'mail.send', args: [12345678901234567890n] });
    expect(await app.deadLetters.get(newest + 1)).toBeUndefined();
    expect(await app.deadLetters.count()).toBe(4);
  });

  it('are replayed in the order in which they died, those that are meant and no others', async () => {
    const app = appOn(await newUrls());
    const ids = Array.from({ length: 60 }, (__, at) => `call-${at}`);
    await bury(
      app,
      ids.map((id, at) => ({ id, task: at % 2 === 0 ? 'even' : 'odd' })),
    );
    const progress: number[] = [];
    const { done, missing } = await app.deadLetters.replay(
      { task: 'even' },
      {
        onProgress: (count, total) => {
          progress.push(count);
          expect(total).toBe(30);
        },
      },
    );
    expect([done.length, missing]).toEqual([30, []]);
    expect(progress).toEqual(Array.from({ length: 30 }, (__, at) => at + 1));
    expect(await take(app, 30)).toEqual(ids.filter((__, at) => at % 2 === 0));
    expect(await app.deadLetters.count()).toBe(30);
    expect((await callsOf(app)).toReversed()).toEqual(ids.filter((__, at) => at % 2 === 1));
  });

  it('by their ids, or the oldest so many; what is not there is said', async () => {
    const app = appOn(await newUrls());
    await bury(app, [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]);
    const [a = 0, b = 0, c = 0, d = 0] = await app.deadLetters.find({});
    expect(await app.deadLetters.replay(b)).toEqual({ done: [b], missing: [] });
    expect(await app.deadLetters.discard([a, b])).toEqual({ done: [a], missing: [b] });
    for (const limit of [-1, 0, 1.5, Number.NaN]) {
      const wrong = `must be a whole number from 1 up, not ${limit}`;
      await expect(app.deadLetters.discard({}, { limit })).rejects.toThrow(`'limit' of discard ${wrong}`);
      await expect(callsOf(app, { limit })).rejects.toThrow(`'limit' of a list of dead letters ${wrong}`);
    }
    expect(await app.deadLetters.discard({}, { limit: 1 })).toEqual({ done: [c], missing: [] });
    expect(await app.deadLetters.find({})).toEqual([d]);
    expect(await take(app, 1)).toEqual(['b']);
  });

  it('at a rate, and an interrupted replay goes on where it was', async () => {
    const app = appOn(await newUrls());
    await bury(app, [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    const stop = new AbortController();
    // At this rate the third would come in two hours: it must be the signal that ends the wait.
    const replaying = app.deadLetters.replay(
      {},
      { rate: '1/h', signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) },
    );
    await expect(replaying).rejects.toThrow('enough');
    expect(await app.deadLetters.count()).toBe(2);
    const began = performance.now();
    expect((await app.deadLetters.replay({}, { rate: 5 })).done).toHaveLength(2);
    expect(performance.now() - began).toBeGreaterThan(190);
    expect(await take(app, 3)).toEqual(['a', 'b', 'c']);
  });

  it('a filter that cannot be meant is an error that says so', async () => {
    const app = appOn(await newUrls());
    await expect(app.deadLetters.find(JSON.parse('{"tsak": "a"}'))).rejects.toThrow(UnknownOptionError);
    await expect(app.deadLetters.discard(JSON.parse('{"reason": "rejectd"}'))).rejects.toThrow(
      "did you mean 'rejected'?",
    );
    await expect(app.deadLetters.replay({ diedAfter: new Date(Number.NaN) })).rejects.toThrow(ConfigError);
    await expect(app.deadLetters.replay({}, { rate: 'fast' })).rejects.toThrow(ConfigError);
  });
});
