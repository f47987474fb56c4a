// Publishing to RabbitMQ: each message confirmed, each unroutable one an error.
import { randomUUID } from 'node:crypto';
import { BrokerBlocked, BrokerUnavailable, SendUnconfirmed, UnroutableError } from '../../errors.ts';
import { startDeadline } from '../../lib/deadline.ts';
import type { PublishOptions } from '../transport.ts';
import {
  type AmqpConfirmChannel,
  type AmqpConnection,
  AmqpLink,
  type AmqpPublishOptions,
  type AmqpState,
  closeChannel,
} from './client/link.ts';
import type { AmqpSettings } from './client/settings.ts';
import { Declarations, type Declared, isOfDelays } from './declare.ts';
import { messageIdPrefix, returnedHeader } from './wire.ts';

/** A message on its way. */
export interface AmqpPublication {
  readonly id: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly options: AmqpPublishOptions;
}

interface Session {
  readonly connection: AmqpConnection;
  readonly declarations: Declarations;
  /** Channels by the exchanges that they serve: see `laneOf`. */
  readonly channels: Map<string, Promise<PublishChannel>>;
  /** Exchanges that are known to exist. */
  readonly exchanges: Map<string, Promise<void>>;
}

/** A channel. The server closes it when it refuses one message, so what can be refused has one of its own. */
interface PublishChannel {
  readonly channel: AmqpConfirmChannel;
  /** Marks of messages that came back unroutable, before their confirmation. */
  readonly returned: Set<string>;
  /** The channel is gone. */
  isLost: boolean;
  /** Messages that are not answered; when the channel went: that were not. */
  open: number;
  /** Why the server closed it; null: it did not, or not for a message. */
  refusal: ServerRefusal | null;
  /** Told when the channel goes: the sends under way. */
  readonly underWay: Set<() => void>;
}

/** `code`: RabbitMQ's, 404 where there is no such exchange. */
type ServerRefusal = Error & { readonly code: number };
/** Null when it was confirmed; `unknown`: it may have been sent. */
type Answer = Error | 'unknown' | null;

export const defaultSendTimeoutMs = 10_000;
/** Exchanges that have channels of their own at a time. */
const maxChannels = 32;
/** The first part of the marks of this process. A mark is unique for each message of all senders, and identifies it (see `keyOf`). */
const marks = `${messageIdPrefix}${randomUUID()}-`;
let lastMark = 0;

export class Publisher implements AsyncDisposable {
  readonly #settings: AmqpSettings;
  readonly #declared: Declared;
  readonly #link: AmqpLink;
  #session: Session | null = null;

  constructor(settings: AmqpSettings, declared: Declared, onState: (state: AmqpState) => void) {
    this.#settings = settings;
    this.#declared = declared;
    this.#link = new AmqpLink(settings, { onState, idle: true });
  }

  /** A connection with all that is declared on it. It keeps the process for as long as `work` takes. @throws BrokerUnavailable */
  async during<T>(work: (session: Session) => Promise<T>): Promise<T> {
    this.#link.hold();
    try {
      return await work(await this.#open());
    } finally {
      this.#link.release();
    }
  }

  async #open(timeoutMs: number = defaultSendTimeoutMs, signal?: AbortSignal): Promise<Session> {
    const connection = await this.#link.ready(timeoutMs, signal);
    if (this.#session?.connection === connection) return this.#session;
    const { delayedQueueType } = this.#settings;
    const declarations = new Declarations(connection, this.#declared, delayedQueueType);
    const channels = new Map<string, Promise<PublishChannel>>();
    this.#session = { connection, declarations, channels, exchanges: new Map() };
    connection.once('close', () => {
      for (const opening of channels.values()) void opening.then(lose, () => undefined);
    });
    return this.#session;
  }

  /**
   * Sends; `prepare` declares what they need.
   * @throws BrokerUnavailable, BrokerBlocked: nothing was sent; SendUnconfirmed; UnroutableError; the signal's reason
   */
  async send(
    prepare: (declarations: Declarations) => Promise<void>,
    messages: readonly AmqpPublication[],
    options: PublishOptions = {},
  ): Promise<void> {
    this.#link.hold();
    try {
      await this.#send(prepare, messages, options);
    } finally {
      this.#link.release();
    }
  }

  async #send(
    prepare: (declarations: Declarations) => Promise<void>,
    messages: readonly AmqpPublication[],
    { timeoutMs = defaultSendTimeoutMs, signal }: PublishOptions,
  ): Promise<void> {
    const until = performance.now() + timeoutMs;
    const session = await this.#open(timeoutMs, signal);
    const { state, reason } = this.#link.state;
    if (state === 'blocked') await this.#unblocked(until, signal, reason);
    try {
      await prepare(session.declarations);
    } catch (error) {
      throw this.#refused(error);
    }
    signal?.throwIfAborted();
    let problems = await this.#write(session, messages, until, signal);
    const again = messages.filter(({ exchange }, n) => isDeleted(exchange, problems[n]));
    if (again.length > 0) {
      // The queue, or the exchanges of the delays, were there when they were declared, and were deleted since: once more.
      for (const { exchange, routingKey } of again) {
        if (exchange === '') session.declarations.forget(routingKey);
        else session.declarations.forgetDelays();
      }
      await prepare(session.declarations).catch((error: unknown) => {
        throw this.#refused(error);
      });
      // What came back was not taken; of the others some may have been.
      const copies = again.map((message) => (message.exchange === '' ? message : possibleCopy(message)));
      const answers = await this.#write(session, copies, until, signal);
      problems = problems.map((problem, n) => {
        const message = messages[n];
        const place = message === undefined ? -1 : again.indexOf(message);
        return place === -1 ? problem : (answers[place] ?? null);
      });
    }
    const unconfirmed = messages.filter((_, n) => problems[n] === 'unknown');
    if (unconfirmed.length > 0)
      throw new SendUnconfirmed(
        unconfirmed.map(({ id }) => id),
        `${this.#settings.shown} did not confirm it`,
      );
    const refused = problems.find((problem): problem is Error => problem instanceof Error);
    if (refused !== undefined) throw refused;
  }

  async close(): Promise<void> {
    this.#link.hold();
    for (const opening of this.#session?.channels.values() ?? []) {
      const lane = await opening.catch(() => null);
      await lane?.channel.waitForConfirms().catch(() => undefined);
    }
    await this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #channelFor({ connection, channels }: Session, name: string): Promise<PublishChannel> {
    for (;;) {
      const before = channels.get(name);
      const known = await before?.catch(() => null);
      if (known?.isLost === false) return known;
      if (before !== channels.get(name)) continue; // another who asked at the same time has begun
      const opening = openPublishChannel(connection);
      channels.delete(name);
      channels.set(name, opening);
      this.#thin(channels);
      return await opening;
    }
  }

  /** Of exchanges without end only some have a channel. */
  #thin(channels: Map<string, Promise<PublishChannel>>): void {
    if (channels.size <= maxChannels) return;
    for (const [name, opening] of channels) {
      if (name === '' || isOfDelays(name)) continue;
      channels.delete(name);
      void opening
        .then((lane) => lane.channel.waitForConfirms().then(() => closeChannel(lane.channel)))
        .catch(() => undefined);
      return;
    }
  }

  /** A message to an exchange that is not there would cost all that is on the same channel. */
  #isThere({ connection, exchanges }: Session, exchange: string): Promise<void> {
    const known = exchanges.get(exchange);
    if (known !== undefined) return known;
    const asking = checkExchange(connection, exchange);
    exchanges.set(exchange, asking);
    asking.catch(() => exchanges.delete(exchange));
    return asking;
  }

  async #write(
    session: Session,
    messages: readonly AmqpPublication[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer[]> {
    const channels = new Map<string, AmqpPublication[]>();
    for (const message of messages) {
      const name = laneOf(message.exchange);
      const theirs = channels.get(name);
      if (theirs === undefined) channels.set(name, [message]);
      else theirs.push(message);
    }
    const answers = new Map<AmqpPublication, Answer>();
    const write = async (name: string, theirs: readonly AmqpPublication[]): Promise<void> => {
      const given = await this.#writeTo(session, name, theirs, until, signal);
      theirs.forEach((message, n) => {
        answers.set(message, given[n] ?? null);
      });
    };
    await Promise.all([...channels].map(([name, theirs]) => write(name, theirs)));
    return messages.map((message) => answers.get(message) ?? null);
  }

  /** To one channel, and what became of each. Never rejects. */
  async #writeTo(
    session: Session,
    name: string,
    messages: readonly AmqpPublication[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer[]> {
    let lane: PublishChannel;
    try {
      if (name !== '' && name !== delaysChannel) await this.#isThere(session, name);
      lane = await this.#channelFor(session, name);
    } catch (error) {
      const refused = refusalOf(error);
      const why = refused === null ? this.#refused(error) : this.#asError(refused, name);
      return messages.map(() => why);
    }
    const { channel, returned, underWay } = lane;
    // One timer for all of them.
    let end: () => void = () => undefined;
    const given = new Promise<'unknown'>((resolve) => {
      end = () => resolve('unknown');
    });
    const stop = startDeadline(Math.max(1, until - performance.now()), end);
    signal?.addEventListener('abort', end, { once: true });
    underWay.add(end);
    lane.open += messages.length;
    if (lane.isLost) end();
    const answers = messages.map(({ exchange, routingKey, content, options }) => {
      const mark: string = options.messageId ?? `${marks}${++lastMark}`;
      const answer = new Promise<Answer>((resolve) => {
        try {
          channel.publish(
            exchange,
            routingKey,
            content,
            { ...options, messageId: mark },
            (error: unknown) => {
              if (returned.delete(mark)) resolve(unroutable(exchange, routingKey));
              else if (error === null || error === undefined) resolve(null);
              else if (lane.isLost) resolve('unknown');
              else
                resolve(
                  new BrokerUnavailable(`${this.#settings.shown} refused the message`, { cause: error }),
                );
            },
          );
        } catch (error) {
          resolve(this.#refused(error));
        }
      });
      return Promise.race([answer, given]);
    });
    const all = await Promise.all(answers);
    stop();
    signal?.removeEventListener('abort', end);
    underWay.delete(end);
    if (!lane.isLost) lane.open -= messages.length;
    const { refusal } = lane;
    if (refusal === null) return all;
    session.exchanges.delete(name);
    // Messages before the refused one may have been accepted. If the user may not write at all, or there was only one message, none was.
    const isCertain = refusal.code === 403 || lane.open === 1;
    return all.map((answer, n) => {
      const exchange = messages[n]?.exchange ?? '';
      const isRefused = answer === 'unknown' && (lane.open === 1 || isAbout(refusal, exchange));
      return isRefused && (isCertain || name === delaysChannel) ? this.#asError(refusal, exchange) : answer;
    });
  }

  #asError(refusal: ServerRefusal, exchange: string): Error {
    const { shown } = this.#settings;
    if (refusal.code !== 404)
      return new BrokerUnavailable(`${shown} refused the message: ${refusal.message}`, { cause: refusal });
    return new UnroutableError(
      `there is no exchange '${exchange}' on RabbitMQ; create it there, or name it in taskQueues`,
      { cause: refusal },
    );
  }

  async #unblocked(until: number, signal: AbortSignal | undefined, reason: string | null): Promise<void> {
    while (this.#link.state.state === 'blocked') {
      signal?.throwIfAborted();
      if (performance.now() >= until)
        throw new BrokerBlocked(`${this.#settings.shown}: ${reason ?? 'blocked'}; free memory or disk there`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #refused(error: unknown): Error {
    if (error instanceof BrokerUnavailable || error instanceof UnroutableError) return error;
    if (
      error instanceof Error &&
      error.name !== 'IllegalOperationError' &&
      error.name.endsWith('ConfigError')
    )
      return error;
    const why = error instanceof Error ? error.message : String(error);
    return new BrokerUnavailable(`${this.#settings.shown}: ${why}`, { cause: error });
  }
}

/** Exchanges of delays share a channel. A refusal on one channel does not affect the others. */
const delaysChannel = 'celery_delayed_';

function laneOf(exchange: string): string {
  return isOfDelays(exchange) ? delaysChannel : exchange;
}

async function openPublishChannel(connection: AmqpConnection): Promise<PublishChannel> {
  const channel = await connection.createConfirmChannel();
  const lane: PublishChannel = {
    channel,
    returned: new Set(),
    open: 0,
    isLost: false,
    refusal: null,
    underWay: new Set(),
  };
  channel.on('error', (error) => {
    lane.refusal = refusalOf(error);
  });
  channel.on('return', (message) => {
    if (typeof message.properties.messageId === 'string') lane.returned.add(message.properties.messageId);
  });
  // Before the library's own, which tells each send that it failed: that would look like the server's refusal.
  channel.prependListener('close', () => lose(lane));
  return lane;
}

function lose(lane: PublishChannel): void {
  lane.isLost = true;
  for (const end of lane.underWay) end();
}

/** @throws what the server says when there is none */
async function checkExchange(connection: AmqpConnection, exchange: string): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  await channel.checkExchange(exchange);
  await closeChannel(channel);
}

/** What the server has refused, by its numbers; null: it is something else. */
function refusalOf(error: unknown): ServerRefusal | null {
  const isRefusal =
    error instanceof Error &&
    'code' in error &&
    (error.code === 403 || error.code === 404 || error.code === 406);
  return isRefusal ? Object.assign(error, { code: Number(error.code) }) : null;
}

/** RabbitMQ names the exchange in its reason. */
function isAbout({ message }: ServerRefusal, exchange: string): boolean {
  return message.includes(`exchange '${exchange === '' ? 'amq.default' : exchange}'`);
}

function possibleCopy({ options, ...message }: AmqpPublication): AmqpPublication {
  return { ...message, options: { ...options, headers: { ...options.headers, [returnedHeader]: 1 } } };
}

/** Whether what we declared ourselves has gone since. */
function isDeleted(exchange: string, problem: Answer | undefined): boolean {
  return problem instanceof UnroutableError && (exchange === '' || isOfDelays(exchange));
}

function unroutable(exchange: string, routingKey: string): UnroutableError {
  return new UnroutableError(
    exchange === ''
      ? `there is no queue '${routingKey}' on RabbitMQ (any more)`
      : `no queue is bound to the exchange '${exchange}' for the key '${routingKey}'; declare one in taskQueues`,
  );
}
