import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import type { Delivery, StoredDeadLetter } from '../../src/stores/transport.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { commandOf } from '../e2e/harness/compiled.ts';
import { until } from '../until.ts';
import { turn } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';

/** `apart`: messages in one store, results in another, so that no transaction spans both. */
export type StoreKind = 'memory' | 'sqlite' | 'apart';

/** The stores that the worker is tested on. */
export const stores: readonly StoreKind[] = ['memory', 'sqlite', 'apart'];

/** An application on a store of its own. */
export async function newApp(kind: StoreKind, options: AppOptions = {}): Promise<App> {
  const urls =
    kind === 'apart'
      ? { broker: await newStore('sqlite'), backend: await newStore('memory') }
      : { broker: await newStore(kind) };
  // Beside a store in memory there is no file for it.
  const historyStore = kind === 'sqlite' ? {} : { historyStore: await newHistory() };
  const app = new App('shop', { ...urls, ...historyStore, ...options });
  onTestFinished(() => app.close());
  return app;
}

/** The URL of a history of tasks that nobody else has. */
export async function newHistory(): Promise<string> {
  return `sqlite://${join(await newFolder(), 'history.db')}`;
}

/** The URL of a store that nobody else has. */
export async function newStore(kind: 'memory' | 'sqlite'): Promise<string> {
  if (kind === 'memory') return `memory://${crypto.randomUUID()}`;
  return `sqlite://${join(await newFolder(), 'store.db')}`;
}

/** A folder that goes with the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'umbel-worker-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

export interface RunningWorker {
  readonly worker: Worker;
  readonly log: MemoryLog;
}

export async function startWorker(app: App, options: WorkerOptions = {}): Promise<RunningWorker> {
  const log = new MemoryLog();
  const worker = new Worker(app, { logger: log, name: 'celery@here', ...options });
  onTestFinished(() => worker.stop({ cold: true }));
  await worker.start();
  return { worker, log };
}

/** The task's record, as it is stored now. */
export async function recordOf(app: App, id: string): Promise<ResultRecord | undefined> {
  return (await app.backend())?.get(id);
}

/** The record once the task has got to a state. */
export async function recordIn(app: App, id: string, status: string): Promise<ResultRecord> {
  let record: ResultRecord | undefined;
  await until(
    async () => {
      record = await recordOf(app, id);
      return record?.status === status;
    },
    () => `the state ${status} of ${id}, which is ${record?.status ?? 'not recorded'}`,
  );
  return record ?? Promise.reject(new Error('there was one'));
}

/** The path of a module of the tests (named from the root of the repository) as the children of a pool load it. */
export function moduleOf(file: string): string {
  return commandOf(file).at(-1) ?? file;
}

/** How many messages the broker has been made to give out before their time, from now on. */
export async function countPromoted(app: App): Promise<() => number> {
  const broker = await app.broker();
  const promote = broker.promote?.bind(broker);
  let count = 0;
  if (promote !== undefined)
    broker.promote = async (...args) => {
      const found = await promote(...args);
      count += found;
      return found;
    };
  return () => count;
}

/** Puts a message straight into its queue, as another program would. */
export async function put(app: App, message: TaskMessage, queue = 'celery'): Promise<void> {
  const broker = await app.broker();
  await broker.publish([{ id: message.id, queue, message: encodeTask(message), eta: null }]);
}

/** What is in a queue: ready, scheduled, claimed. */
export async function sizeOf(app: App, queue = 'celery'): Promise<readonly [number, number, number]> {
  const { ready, scheduled, claimed } = await (await app.broker()).size(queue);
  return [ready, scheduled, claimed];
}

/** The newest dead letter, once there is one. */
export async function deadLetter(app: App): Promise<StoredDeadLetter> {
  const { deadLetters } = await app.broker();
  await until(async () => (await deadLetters.count()) > 0, 'a dead letter');
  const [letter] = await deadLetters.list();
  return letter ?? Promise.reject(new Error('there was one'));
}

/** Lets a test change the deliveries that the workers of this application get. */
export async function tamper(app: App, change: (delivery: Delivery) => Delivery): Promise<void> {
  const broker = await app.broker();
  const consume = broker.consume.bind(broker);
  broker.consume = async (options) => {
    const consumer = await consume(options);
    const claim = consumer.claim.bind(consumer);
    consumer.claim = async (capacity, signal) => (await claim(capacity, signal)).map(change);
    return consumer;
  };
}

/** A delivery with other facts; what is not named is as it was. */
export function changed(delivery: Delivery, changes: Partial<Delivery>): Delivery {
  const { queue, raw, message, redelivered, crashes, deferrals, lost } = delivery;
  return {
    queue,
    raw,
    message,
    redelivered,
    crashes,
    deferrals,
    lost,
    get isLost() {
      return this.lost.aborted;
    },
    settle: (how) => delivery.settle(how),
    ...changes,
  };
}

export { turn, until };
