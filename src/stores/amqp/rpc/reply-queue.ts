// The queue of a process at RabbitMQ, to which workers send results; and sending results to the queues of other processes.
import { randomUUID } from 'node:crypto';
import { BrokerUnavailable } from '../../../errors.ts';
import { startDeadline, withDeadline } from '../../../lib/deadline.ts';
import { type Deferred, deferred } from '../../../lib/deferred.ts';
import {
  type AmqpChannel,
  type AmqpConfirmChannel,
  type AmqpConnection,
  AmqpLink,
  type AmqpMessage,
} from '../client/link.ts';
import type { AmqpSettings } from '../client/settings.ts';

interface ReplyQueueOptions {
  /** How long the queue outlives this process, and keeps messages while the connection is lost, milliseconds. */
  readonly expiresMs: number;
  /** How long RabbitMQ may take to answer, milliseconds. */
  readonly answerMs: number;
  /**
   * How long after a connection is made the queue of a caller may be missing, milliseconds: a node that has just started does not find all durable
   * queues for a moment (1 of 2,000 in RabbitMQ 3.10), and the caller may be declaring its queue again.
   */
  readonly missingMs: number;
  onResult(body: Buffer, correlationId: string, contentType: string): void;
}

interface Sending {
  /** Identifies it when it comes back: the message's id. */
  readonly id: string;
  readonly to: string;
  readonly body: Buffer;
  readonly correlationId: string;
  /** Ends its deadline. */
  readonly end: () => void;
  readonly done: Deferred<void>;
}

/** The pause before a result that came back is sent again, milliseconds. */
const againMs = 50;

export class ReplyQueue {
  readonly name: string = randomUUID();
  readonly #options: ReplyQueueOptions;
  readonly #settings: AmqpSettings;
  /** Results that RabbitMQ has not confirmed, in their order. */
  readonly #sendings = new Set<Sending>();
  readonly #link: AmqpLink;
  /** The ids of those that came back, before their confirmation. */
  readonly #returned = new Set<string>();
  #publishing: AmqpConfirmChannel | null = null;
  /** Until when queues may be missing, on the monotonic clock. */
  #missingUntil = 0;
  #consuming: AmqpChannel | null = null;
  /** Resolved when the queue exists. Made when a result is first wanted. */
  #declared: Deferred<void> | null = null;

  constructor(settings: AmqpSettings, options: ReplyQueueOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#link = new AmqpLink(settings, {
      idle: true,
      onReady: (connection) => this.#begin(connection),
      onLost: () => {
        this.#publishing = null;
        this.#consuming = null;
      },
    });
  }

  /**
   * The queue's name, when the queue exists.
   * @throws BrokerUnavailable
   */
  async address(): Promise<string> {
    if (this.#declared === null) {
      this.#declared = deferred();
      const { connection } = this.#link;
      // An error ends the connection, and the next one tries again.
      if (connection !== null) this.#listen(connection).catch(() => connection.close().catch(() => {}));
    }
    const { promise } = this.#declared;
    await this.#inTime(promise);
    return this.name;
  }

  /** Keeps the process alive while a result is awaited, until the returned function is called. */
  awaited(): () => void {
    this.#link.hold();
    return () => this.#link.release();
  }

  /**
   * Sends a result to a queue. Resolves when RabbitMQ has it, or finds that the queue is gone: then nobody waits for it any more. If the
   * confirmation is lost, the result is sent again; the receiver handles the second as the first.
   * @throws BrokerUnavailable
   */
  send(to: string, body: Buffer, correlationId: string): Promise<void> {
    const done = deferred<void>();
    const end = startDeadline(this.#options.answerMs, () => {
      this.#sendings.delete(sending);
      done.reject(this.#unavailable());
    });
    const sending: Sending = { id: randomUUID(), to, body, correlationId, end, done };
    this.#sendings.add(sending);
    this.#publish(sending);
    return done.promise;
  }

  /** Waits for results under way, and deletes the queue: it will not be read again. */
  async close(): Promise<void> {
    this.#link.hold();
    while (this.#sendings.size > 0)
      await Promise.allSettled([...this.#sendings].map(({ done }) => done.promise));
    const gone = this.#consuming?.deleteQueue(this.name);
    if (gone !== undefined) await this.#inTime(gone).catch(() => {});
    await this.#link.close();
  }

  async #begin(connection: AmqpConnection): Promise<void> {
    const channel = await connection.createConfirmChannel();
    guard(connection, channel);
    channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)));
    this.#returned.clear();
    this.#missingUntil = performance.now() + this.#options.missingMs;
    this.#publishing = channel;
    if (this.#declared !== null) await this.#listen(connection);
    for (const sending of this.#sendings) this.#publish(sending);
  }

  /**
   * The queue is not deleted with our connection, as Celery's is, but after a while: results wait there while a connection is made again. They
   * are acknowledged, since results that were on their way when the connection broke would otherwise be lost.
   */
  async #listen(connection: AmqpConnection): Promise<void> {
    if (this.#consuming !== null) return;
    const channel = await connection.createChannel();
    guard(connection, channel);
    this.#consuming = channel;
    let last: AmqpMessage | null = null;
    const acknowledge = (): void => {
      // One acknowledgement for all results of this turn of the event loop.
      if (last !== null && this.#consuming === channel) channel.ack(last, true);
      last = null;
    };
    await channel.assertQueue(this.name, {
      durable: true,
      autoDelete: false,
      arguments: { 'x-expires': this.#options.expiresMs },
    });
    await channel.consume(this.name, (message) => {
      if (message === null) return void connection.close().catch(() => {}); // somebody deleted the queue
      if (last === null) setImmediate(acknowledge);
      last = message;
      const { correlationId, contentType } = message.properties;
      this.#options.onResult(message.content, String(correlationId ?? ''), String(contentType ?? ''));
    });
    this.#declared?.resolve();
  }

  /** As Celery sends results: directly to the queue, and not persistent. */
  #publish(sending: Sending): void {
    const { id, to, body, correlationId } = sending;
    try {
      this.#publishing?.publish(
        '',
        to,
        body,
        {
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          deliveryMode: 1,
          correlationId,
          messageId: id,
          headers: {},
          mandatory: true,
        },
        (error: unknown) => {
          // Refused since the channel was closed: the next channel sends it again.
          if (error) return;
          if (this.#returned.delete(id) && performance.now() < this.#missingUntil) {
            setTimeout(() => this.#sendings.has(sending) && this.#publish(sending), againMs);
            return;
          }
          sending.end();
          this.#sendings.delete(sending);
          sending.done.resolve();
        },
      );
    } catch {
      // The channel was just closed: the same.
    }
  }

  #unavailable(): BrokerUnavailable {
    const { reason } = this.#link.state;
    return new BrokerUnavailable(
      `${this.#settings.shown} did not answer in time${reason === null ? '' : `: ${reason}`}`,
    );
  }

  #inTime<T>(promise: Promise<T>): Promise<T> {
    return withDeadline(this.#options.answerMs, promise, () => this.#unavailable());
  }
}

/** A lost channel ends its connection: the next connection begins anew. */
function guard(connection: AmqpConnection, channel: AmqpChannel): void {
  channel.on('error', () => {});
  channel.on('close', () => void connection.close().catch(() => {}));
}
