// Results as messages: a worker sends them to a queue of the process that made the call (Celery's rpc://).

import { ConfigError, StoreError } from '../../../errors.ts';
import { decodeResult, encodeResult } from '../../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../../protocol/result-meta.ts';
import type { ResultAddress, ResultBackend, ResultBackendFeatures } from '../../backend.ts';
import { keptMs, keptUnendedMs } from '../../kept.ts';
import type { BackendOptions } from '../../registry.ts';
import type { StoreWrite } from '../../store-write.ts';
import { OneShotEvent } from '../../watch-record.ts';
import { amqpSettings } from '../client/settings.ts';
import { Arrived } from './arrived.ts';
import { ReplyQueue } from './reply-queue.ts';

interface RpcBackendOptions extends BackendOptions {
  /** How long RabbitMQ may take to answer, milliseconds; default 10 s. */
  readonly answerMs?: number;
  /** How long after a connection is made the queue of a caller may be missing, milliseconds; default 2 s. */
  readonly missingMs?: number;
}

/**
 * Opens the backend on the broker's server. All backends of a process share one queue, which is declared when the first result is wanted.
 * @throws ConfigError when the broker is not RabbitMQ
 */
export async function openRpcBackend(url: string, options: RpcBackendOptions): Promise<ResultBackend> {
  if (!/^rpc:\/\/\/?$/i.test(url))
    throw new ConfigError(`backend: 'rpc://' uses the broker's connection; leave out what comes after it`);
  const { broker } = options;
  if (broker === undefined || !/^(?:amqps?|pyamqp):\/\//i.test(broker))
    throw new ConfigError(
      `backend: 'rpc://' sends results through RabbitMQ, and needs an amqp:// broker; results can also be kept in redis:// or postgresql://`,
    );
  const settings = amqpSettings(broker, 'broker', options.driver);
  const identity = JSON.stringify([settings, options.expiresMs, options.answerMs, options.missingMs]);
  let mailbox = shared.get(identity);
  if (mailbox === undefined) {
    const arrived = new Arrived(keptMs(options.expiresMs), keptUnendedMs(options.expiresMs));
    const queue = new ReplyQueue(settings, {
      expiresMs: Math.min(longestQueueMs, Math.max(shortestQueueMs, options.expiresMs ?? longestQueueMs)),
      answerMs: options.answerMs ?? 10_000,
      missingMs: options.missingMs ?? 2000,
      onResult: (body, correlationId, contentType) => arrived.receive(body, correlationId, contentType),
    });
    mailbox = { identity, arrived, queue, users: 0 };
    shared.set(identity, mailbox);
  }
  mailbox.users++;
  return new RpcBackend(mailbox);
}

/** How long the queue of a process that died, or lost its connection, is kept at most, milliseconds. */
const longestQueueMs = 30 * 60_000;
const shortestQueueMs = 60_000;

interface Mailbox {
  readonly identity: string;
  readonly arrived: Arrived;
  readonly queue: ReplyQueue;
  users: number;
}

/** One queue for each broker, shared by all its users. */
const shared = new Map<string, Mailbox>();

class RpcBackend implements ResultBackend {
  readonly name = 'rpc';
  readonly features: ResultBackendFeatures = {
    multiProcess: false,
    remembersSent: false,
    sweeps: true,
    chords: false,
  };
  readonly store: object;
  readonly #mailbox: Mailbox;
  readonly #closing: OneShotEvent = new OneShotEvent();

  constructor(mailbox: Mailbox) {
    this.store = mailbox;
    this.#mailbox = mailbox;
  }

  replyTo(): Promise<string> {
    return this.#mailbox.queue.address();
  }

  /** Sends it to the caller. Without an address it is kept in this process; with an empty address nobody wants it. */
  async put(record: ResultRecord, address?: ResultAddress): Promise<void> {
    const meta = encodeResult(record);
    if (address === undefined) return this.#mailbox.arrived.keep(record, meta);
    if (address.replyTo === '') return;
    const correlationId = address.correlationId || record.taskId;
    await this.#mailbox.queue.send(address.replyTo, Buffer.from(meta), correlationId);
  }

  writeOf(record: ResultRecord): StoreWrite {
    encodeResult(record); // throws if it cannot be sent
    return { store: this.store, apply: alone };
  }

  writeOfSent(record: ResultRecord): StoreWrite {
    return this.writeOf(record);
  }

  /** The result of a call of this process; results of other processes' calls are not known here. */
  async get(id: string): Promise<ResultRecord | undefined> {
    const meta = this.#mailbox.arrived.get(id);
    return meta === undefined ? undefined : decode(id, meta);
  }

  async *watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    const { arrived } = this.#mailbox;
    let wake = (): void => {};
    const over = (): void => wake();
    const forget = arrived.listen(id, over);
    signal.addEventListener('abort', over, { once: true });
    const unlisten = this.#closing.listen(over);
    const release = this.#mailbox.queue.awaited();
    try {
      for (let seen: string | undefined; !signal.aborted && !this.#closing.isOver; ) {
        const meta = arrived.get(id);
        if (meta === undefined || meta === seen) {
          await new Promise<void>((woken) => (wake = woken));
          continue;
        }
        seen = meta;
        const record = decode(id, meta);
        yield record;
        if (isReady(record.status)) return;
      }
    } finally {
      release();
      forget();
      signal.removeEventListener('abort', over);
      unlisten();
    }
  }

  async forget(id: string): Promise<boolean> {
    return this.#mailbox.arrived.forget(id);
  }

  async expire(now: Date = new Date()): Promise<number> {
    return this.#mailbox.arrived.expire(now.getTime());
  }

  async close(): Promise<void> {
    if (this.#closing.isOver) return;
    this.#closing.end();
    const mailbox = this.#mailbox;
    if (--mailbox.users > 0) return;
    shared.delete(mailbox.identity);
    mailbox.arrived.close();
    await mailbox.queue.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function alone(): boolean {
  throw new TypeError('results that are sent as messages are not written together with anything');
}

function decode(id: string, meta: string): ResultRecord {
  const decoded = decodeResult(meta, { keptAs: id });
  if (decoded.ok) return decoded.value;
  throw new StoreError(
    `the result of task ${id} cannot be read: ${decoded.refusal.detail}; a Python worker must send results as JSON (result_serializer = 'json')`,
  );
}
