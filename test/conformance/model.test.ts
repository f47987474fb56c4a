// Random operations on a transport, beside a model that is too simple to be wrong: after each the two agree.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Consumer, Delivery, Transport } from '../../src/stores/transport.ts';
import { idOf, publication } from '../../src/testing/conformance.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scaled, seed } from '../run/scale.ts';
import { patienceMs } from '../until.ts';
import { Opened } from './run.ts';
import { memoryStore, type Store, sqliteStore } from './stores.ts';

const queues = ['a', 'b'];
/** Many sequences take minutes. */
const longMs = 600_000;

type Operation =
  | { readonly do: 'publish'; readonly messages: readonly Sent[]; readonly from: number }
  | { readonly do: 'claim'; readonly worker: number; readonly room: number }
  | { readonly do: 'ack'; readonly worker: number; readonly pick: number; readonly publish: readonly Sent[] }
  | { readonly do: 'release'; readonly worker: number; readonly pick: number; readonly inMs: number | null }
  | { readonly do: 'bury'; readonly worker: number; readonly pick: number }
  | { readonly do: 'kill'; readonly worker: number }
  | { readonly do: 'leave'; readonly worker: number }
  | { readonly do: 'purge'; readonly queue: string }
  | { readonly do: 'replay'; readonly pick: number }
  | { readonly do: 'discard'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number };

interface Sent {
  readonly queue: string;
  readonly priority: number;
  readonly inMs: number | null;
}

const worker = fc.nat(1);
const pick = fc.nat(20);
const sent = fc.record<Sent>({
  queue: fc.constantFrom(...queues),
  priority: fc.constantFrom(0, 3, 9),
  inMs: fc.option(fc.integer({ min: -10, max: 200 }), { freq: 2 }),
});
const some = fc.array(sent, { minLength: 1, maxLength: 5 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish'), messages: some, from: worker }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('claim'), worker, room: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ack'),
      worker,
      pick,
      publish: fc.array(sent, { maxLength: 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('release'),
      worker,
      pick,
      inMs: fc.option(fc.integer({ min: -10, max: 200 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('bury'), worker, pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill'), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge'), queue: fc.constantFrom(...queues) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay'), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('discard'), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 150 }) }) },
);

describe('any sequence of operations leaves each message in one place, and the right one', () => {
  test('memory', () => hold(memoryStore, scaled(100, 1000)), longMs);
  test('sqlite', () => hold(sqliteStore, scaled(15, 150)), longMs);
});

async function hold(newStore: () => Store, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
      const clock = new FakeClock();
      const store = newStore();
      const opened = new Opened();
      try {
        const handles = [
          opened.add(await store.openTransport({ clock })),
          opened.add(await store.openTransport({ clock })),
        ];
        const trial = new Trial(store, handles, clock);
        await trial.begin();
        for (const each of operations) {
          await trial.perform(each);
          await trial.compare();
        }
        await trial.drain();
      } finally {
        await opened.close();
        await store.remove();
      }
    }),
    { seed, numRuns: runs },
  );
}

interface Message extends Sent {
  readonly id: string;
  readonly seq: number;
  crashes: number;
  deferrals: number;
  redelivered: boolean;
  /** Not claimed before, milliseconds since 1970. */
  due: number;
}

interface Held {
  readonly message: Message;
  readonly delivery: Delivery;
}

class Trial {
  readonly #store: Store;
  readonly #handles: readonly Transport[];
  readonly #clock: FakeClock;
  readonly #workers: Consumer[] = [];
  #waiting: Message[] = [];
  readonly #held: [Held[], Held[]] = [[], []];
  #buried: Message[] = [];
  #stale: Delivery[] = [];
  #sent = 0;

  constructor(store: Store, handles: readonly Transport[], clock: FakeClock) {
    this.#store = store;
    this.#handles = handles;
    this.#clock = clock;
  }

  async begin(): Promise<void> {
    for (const handle of this.#handles) this.#workers.push(await join(handle));
  }

  async perform(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'publish':
        return this.#handle(operation.from).publish(operation.messages.map((each) => this.#send(each)));
      case 'claim':
        return this.#claim(operation.worker, operation.room);
      case 'ack': {
        const held = this.#take(operation);
        if (held === undefined) return;
        const publish = operation.publish.map((each) => this.#send(each));
        return void expect(await held.delivery.settle({ kind: 'ack', publish })).toBe('settled');
      }
      case 'release': {
        const held = this.#take(operation);
        if (held === undefined) return;
        const until = operation.inMs === null ? null : new Date(this.#clock.now() + operation.inMs);
        const deferred = until !== null;
        expect(await held.delivery.settle({ kind: 'release', until, deferred })).toBe('settled');
        if (deferred) held.message.deferrals++;
        return this.#giveBack(held.message, until?.getTime() ?? 0);
      }
      case 'bury': {
        const held = this.#take(operation);
        if (held === undefined) return;
        const detail = held.message.id;
        expect(await held.delivery.settle({ kind: 'dead', reason: 'rejected', detail })).toBe('settled');
        return void this.#buried.push(held.message);
      }
      case 'kill': {
        await this.#store.kill(this.#worker(operation.worker), this.#handle(operation.worker));
        for (const { message, delivery } of this.#emptyHands(operation.worker)) {
          message.crashes++;
          this.#giveBack(message, 0);
          this.#stale.push(delivery);
        }
        return;
      }
      case 'leave': {
        await this.#worker(operation.worker).close();
        for (const { message, delivery } of this.#emptyHands(operation.worker)) {
          this.#giveBack(message, 0);
          this.#stale.push(delivery);
        }
        this.#workers[operation.worker] = await join(this.#handle(operation.worker));
        return;
      }
      case 'purge': {
        const kept = this.#waiting.filter(({ queue }) => queue !== operation.queue);
        expect(await this.#handle(0).purge(operation.queue)).toBe(this.#waiting.length - kept.length);
        this.#waiting = kept;
        return;
      }
      case 'replay': {
        const letter = await this.#letter(operation.pick);
        if (letter === undefined) return;
        expect(await this.#handle(1).deadLetters.replay(letter.id)).toBe(true);
        const { queue, priority } = letter.message;
        this.#place({
          ...letter.message,
          ...this.#fresh({ queue, priority, inMs: null }),
          id: letter.message.id,
        });
        return;
      }
      case 'discard': {
        const letter = await this.#letter(operation.pick);
        if (letter !== undefined) expect(await this.#handle(0).deadLetters.discard(letter.id)).toBe(true);
        return;
      }
      case 'wait':
        return this.#clock.advance(operation.ms);
    }
  }

  /** What both handles say is what the model says; and what was others' cannot be settled. */
  async compare(): Promise<void> {
    for (const handle of this.#handles) {
      for (const queue of queues) {
        const waiting = this.#waiting.filter((message) => message.queue === queue);
        const ready = waiting.filter((message) => this.#isReady(message)).length;
        const claimed = this.#held.flat().filter(({ message }) => message.queue === queue).length;
        const size = await handle.size(queue);
        expect(size).toEqual({ ready, scheduled: waiting.length - ready, claimed });
      }
      expect(await handle.deadLetters.count()).toBe(this.#buried.length);
    }
    for (const stale of this.#stale.splice(0)) expect(await stale.settle({ kind: 'ack' })).toBe('fenced');
  }

  /** In the end everything that is left comes, once. */
  async drain(): Promise<void> {
    for (const number of [0, 1]) await this.perform({ do: 'leave', worker: number });
    await this.#clock.advance(1000);
    while (this.#waiting.length > 0) {
      await this.#claim(0, 100);
      for (const { delivery } of this.#emptyHands(0))
        expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    }
    await this.compare();
    expect(await this.#handle(1).queues()).toEqual([]);
  }

  async #claim(number: number, room: number): Promise<void> {
    const ready = this.#waiting.filter((message) => this.#isReady(message)).sort(byPlace);
    const hands = this.#handsOf(number);
    const quarantined = ready.filter(isSuspected);
    // What was held by two who died is held alone: it would wait to be empty, or for it to end.
    if (ready.length === 0 || (hands.length > 0 && quarantined.length > 0)) return;
    if (hands.some(({ message }) => isSuspected(message))) return;
    const deliveries = await this.#worker(number).claim(() => room, AbortSignal.timeout(patienceMs));
    const taken = deliveries.map((delivery) => {
      const message = ready.find(({ id }) => id === idOf(delivery));
      if (message === undefined) throw new Error(`${idOf(delivery)} was not to be delivered`);
      const { queue, crashes, deferrals, redelivered } = message;
      expect({ id: message.id, ...pickFacts(delivery) }).toEqual({
        id: message.id,
        queue,
        crashes,
        deferrals,
        redelivered,
      });
      this.#handsOf(number).push({ message, delivery });
      return message;
    });
    const others = ready.filter((message) => !isSuspected(message));
    const alone = taken.filter(isSuspected);
    expect(alone.length).toBe(Math.min(1, quarantined.length));
    expect(taken.length).toBe(quarantined.length > 0 ? 1 : Math.min(room, others.length));
    // The most urgent were taken; each queue's in its order. (Which queue among equals is a matter of turns.)
    const left = ready.filter((message) => !taken.includes(message));
    const trusted = taken.filter((message) => !isSuspected(message));
    const urgency = (messages: readonly Message[]) => messages.map(({ priority }) => priority);
    expect(urgency(trusted)).toEqual(urgency(others.slice(0, trusted.length)));
    for (const [from, rest] of [
      [trusted, left.filter((message) => !isSuspected(message))],
      [alone, left.filter(isSuspected)],
    ] as const) {
      for (const name of queues) {
        const mine = from.filter(({ queue }) => queue === name);
        const [next] = rest.filter(({ queue }) => queue === name);
        const last = mine.at(-1);
        expect(mine).toEqual(mine.toSorted(byPlace));
        if (next !== undefined && last !== undefined) expect(byPlace(last, next)).toBeLessThan(0);
      }
    }
    this.#waiting = this.#waiting.filter((message) => !taken.includes(message));
  }

  #send(message: Sent): ReturnType<typeof publication> {
    const fresh = this.#fresh(message);
    this.#place(fresh);
    const eta = message.inMs === null ? null : new Date(this.#clock.now() + message.inMs);
    return publication(fresh.id, { queue: message.queue, priority: message.priority, eta });
  }

  #fresh(message: Sent): Message {
    const seq = ++this.#sent;
    const due = message.inMs === null ? 0 : this.#clock.now() + message.inMs;
    return { ...message, id: `m${seq}`, seq, crashes: 0, deferrals: 0, redelivered: false, due };
  }

  #giveBack(message: Message, due: number): void {
    message.redelivered = true;
    message.due = due;
    this.#place(message);
  }

  #place(message: Message): void {
    this.#waiting.push(message);
  }

  #isReady({ due }: Message): boolean {
    return due <= this.#clock.now();
  }

  #take({ worker, pick }: { readonly worker: number; readonly pick: number }): Held | undefined {
    const held = this.#handsOf(worker);
    return held.splice(pick % Math.max(1, held.length), 1)[0];
  }

  #emptyHands(number: number): Held[] {
    return this.#handsOf(number).splice(0);
  }

  #handsOf(number: number): Held[] {
    return this.#held[number === 0 ? 0 : 1];
  }

  async #letter(pick: number): Promise<{ readonly id: number; readonly message: Message } | undefined> {
    const letters = await this.#handle(0).deadLetters.list();
    expect(letters.map(({ detail }) => detail).sort()).toEqual(this.#buried.map(({ id }) => id).sort());
    const letter = letters[pick % Math.max(1, letters.length)];
    const message = this.#buried.find(({ id }) => id === letter?.detail);
    if (letter === undefined || message === undefined) return undefined;
    expect([letter.queue, letter.crashes]).toEqual([message.queue, message.crashes]);
    this.#buried = this.#buried.filter((each) => each !== message);
    return { id: letter.id, message };
  }

  #handle(number: number): Transport {
    return this.#handles[number] ?? fail();
  }

  #worker(number: number): Consumer {
    return this.#workers[number] ?? fail();
  }
}

function join(transport: Transport): Promise<Consumer> {
  // No lease ends here, nor any patience: the clock of this test jumps.
  const forEver = 1_000_000_000;
  return transport.consume({ queues, name: 'model', leaseMs: forEver, quarantineMs: forEver });
}

function isSuspected({ crashes }: Message): boolean {
  return crashes >= 2;
}

function byPlace(a: Message, b: Message): number {
  return a.priority - b.priority || a.seq - b.seq;
}

function pickFacts({ queue, crashes, deferrals, redelivered }: Delivery): Partial<Delivery> {
  return { queue, crashes, deferrals, redelivered };
}

function fail(): never {
  throw new Error('missing');
}
