// Big workflows: no message grows with them, and they end. A chain of 400 and a chord of 2,000; long run: 1,000 and 20,000.
import { afterEach, describe, expect, it } from 'vitest';
import { type AnySignature, App, chain, chord, type Signature } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { Publication } from '../../src/stores/transport.ts';
import { Worker } from '../../src/worker/worker.ts';
import { scaled } from '../run/scale.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** An application with a worker, and the sizes of all messages that it sends, by the task's name. */
async function stand() {
  const app = new App('big', { broker: `memory://${crypto.randomUUID()}` });
  open.push(() => app.close());
  const { transport, backend } = await app.open();
  const largest = new Map<string, number>();
  const weigh = (publications: readonly Publication[] = []): void => {
    for (const { message } of publications) {
      const task = String(message.headers.task);
      largest.set(task, Math.max(largest.get(task) ?? 0, message.body.length));
    }
  };
  const publish = transport.publish.bind(transport);
  transport.publish = (publications, options) => {
    weigh(publications);
    return publish(publications, options);
  };
  const consume = transport.consume.bind(transport);
  transport.consume = async (options) => {
    const consumer = await consume(options);
    const claim = consumer.claim.bind(consumer);
    consumer.claim = async (capacity, signal) => {
      const deliveries = await claim(capacity, signal);
      for (const delivery of deliveries) {
        const settle = delivery.settle.bind(delivery);
        delivery.settle = (settlement) => {
          if (settlement.kind === 'ack') weigh(settlement.publish);
          return settle(settlement);
        };
      }
      return deliveries;
    };
    return consumer;
  };
  const add = app.task('add', (x: number, y: number) => x + y);
  const total = app.task('total', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));
  const worker = new Worker(app, { logger: silentLogger, concurrency: 50 });
  open.push(() => worker.stop({ cold: true }));
  await worker.start();
  return { app, backend, add, total, largest };
}

/** Each step of a chain, and each member of a chord, would add a hundred bytes and more. */
const bound = 40_000;
const [steps, members] = [scaled(400, 1000), scaled(2000, 20_000)];

describe('no message grows with its workflow', () => {
  it(`a chain of ${steps}`, async () => {
    const { add, largest } = await stand();
    const all: AnySignature[] = [add.s(0, 0), ...Array.from({ length: steps - 1 }, () => add.s(1))];
    const result = await (chain(all) as Signature<[], number>).delay();
    expect(await result.get({ timeout: 60 })).toBe(steps - 1);
    expect(largest.get('add')).toBeLessThan(bound);
  });

  it(`a chord of ${members} small members`, async () => {
    const { add, total, largest } = await stand();
    const result = await chord(
      Array.from({ length: members }, () => add.s(1, 1)),
      total.s(),
    ).delay();
    expect(await result.get({ timeout: 60 })).toBe(2 * members);
    expect(largest.get('add')).toBeLessThan(1000);
  });

  it('chords nested five deep, three wide, whose bodies carry much', async () => {
    const { add, largest, app } = await stand();
    const note = 'x'.repeat(5_000);
    const noted = app.task('noted', (all: readonly number[], _: string) => all.reduce((a, b) => a + b, 0));
    let nested: Signature<[], number> = add.s(1, 1);
    for (let depth = 0; depth < 5; depth++) nested = chord([nested, nested, nested], noted.s(note));
    const result = await nested.delay();
    expect(await result.get({ timeout: 60 })).toBe(2 * 3 ** 5);
    expect(largest.get('add')).toBeLessThan(bound);
    expect(largest.get('noted')).toBeLessThan(bound);
  });
});

it('a workflow whose stored rest is gone fails to its end, and says why', async () => {
  const { add, app } = await stand();
  const all: AnySignature[] = [add.s(0, 0), ...Array.from({ length: steps - 1 }, () => add.s(1))];
  const frozen = (chain(all) as Signature<[], number>).freeze();
  const backend = await app.backend();
  const put = backend?.put.bind(backend);
  if (backend === null || put === undefined) throw new Error('no backend');
  // As if they had expired meanwhile.
  backend.put = async (record) => (Array.isArray(record.result) ? undefined : put(record));
  const result = await frozen.delay();
  await expect(result.get({ timeout: 60 })).rejects.toThrow('is gone from the result backend');
});
