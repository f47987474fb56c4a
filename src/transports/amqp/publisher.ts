// Publishing to RabbitMQ: each message confirmed, each unroutable one an error.
import {
  type AmqpConfirmChannel,
  type AmqpConnection,
  AmqpLink,
  type AmqpPublishOptions,
  type AmqpState,
} from '../../clients/amqp/link.ts';
import type { AmqpSettings } from '../../clients/amqp/settings.ts';
import { BrokerBlocked, BrokerUnavailable, SendUnconfirmed, UnroutableError } from '../../errors.ts';
import type { PublishOptions } from '../transport.ts';
import { Declarations, type Declared } from './declare.ts';

/** A message on its way. */
export interface Outgoing {
  readonly id: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly options: AmqpPublishOptions;
}

interface Session {
  readonly connection: AmqpConnection;
  readonly channel: AmqpConfirmChannel;
  readonly declarations: Declarations;
  /** Marks of messages that came back unroutable, before their confirmation. */
  readonly returned: Set<string>;
  /** The channel is gone. */
  isLost: boolean;
  /** Told when the channel goes: the sends under way. */
  readonly underWay: Set<() => void>;
}

export const defaultSendTimeoutMs = 10_000;
let marks = 0;

export class Publisher implements AsyncDisposable {
  readonly #settings: AmqpSettings;
  readonly #declared: Declared;
  readonly #link: AmqpLink;
  #session: Promise<Session> | null = null;

  constructor(settings: AmqpSettings, declared: Declared, onState: (state: AmqpState) => void) {
    this.#settings = settings;
    this.#declared = declared;
    this.#link = new AmqpLink(settings, { onState });
  }

  /** A connection with all that is declared on it. @throws BrokerUnavailable */
  async session(timeoutMs: number = defaultSendTimeoutMs, signal?: AbortSignal): Promise<Session> {
    const connection = await this.#link.ready(timeoutMs, signal);
    for (;;) {
      const before = this.#session;
      const known = await before?.catch(() => null);
      if (known?.connection === connection && !known.isLost) return known;
      if (before !== this.#session) continue; // another who asked at the same time has begun
      const opening = this.#open(connection);
      this.#session = opening;
      try {
        return await opening;
      } catch (error) {
        throw this.#refused(error);
      }
    }
  }

  /**
   * Sends; `prepare` declares what they need.
   * @throws BrokerUnavailable, BrokerBlocked: nothing was sent; SendUnconfirmed; UnroutableError; the signal's reason
   */
  async send(
    prepare: (declarations: Declarations) => Promise<void>,
    messages: readonly Outgoing[],
    { timeoutMs = defaultSendTimeoutMs, signal }: PublishOptions = {},
  ): Promise<void> {
    const until = performance.now() + timeoutMs;
    const session = await this.session(timeoutMs, signal);
    const { state, reason } = this.#link.state;
    if (state === 'blocked') await this.#unblocked(until, signal, reason);
    try {
      await prepare(session.declarations);
    } catch (error) {
      throw this.#refused(error);
    }
    signal?.throwIfAborted();
    let problems = await Promise.all(this.#write(session, messages, until, signal));
    const homeless = messages.filter(({ exchange }, n) => exchange === '' && isUnroutable(problems[n]));
    if (homeless.length > 0) {
      // The queue was there when it was declared, and was deleted since: once more.
      for (const { routingKey } of homeless) session.declarations.forget(routingKey);
      await prepare(session.declarations).catch((error: unknown) => {
        throw this.#refused(error);
      });
      const again = await Promise.all(this.#write(session, homeless, until, signal));
      problems = problems.map((problem, n) => {
        const message = messages[n];
        const place = message === undefined ? -1 : homeless.indexOf(message);
        return place === -1 ? problem : (again[place] ?? null);
      });
    }
    const doubtful = messages.filter((_, n) => problems[n] === 'unknown');
    if (doubtful.length > 0)
      throw new SendUnconfirmed(
        doubtful.map(({ id }) => id),
        `${this.#settings.shown} did not confirm it`,
      );
    const refused = problems.find((problem): problem is Error => problem instanceof Error);
    if (refused !== undefined) throw refused;
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => null);
    await session?.channel.waitForConfirms().catch(() => undefined);
    await this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(connection: AmqpConnection): Promise<Session> {
    const channel = await connection.createConfirmChannel();
    const returned = new Set<string>();
    channel.on('error', () => undefined);
    channel.on('return', (message) => {
      if (typeof message.properties.messageId === 'string') returned.add(message.properties.messageId);
    });
    const declarations = new Declarations(connection, this.#declared, this.#settings.delayedQueueType);
    const session: Session = {
      connection,
      channel,
      declarations,
      returned,
      isLost: false,
      underWay: new Set(),
    };
    const lose = (): void => {
      session.isLost = true;
      for (const end of session.underWay) end();
    };
    // Before the library's own, which tells each send that it failed: that would look like the server's refusal.
    channel.prependListener('close', lose);
    connection.on('close', lose);
    return session;
  }

  /** For each message: null when confirmed, `unknown`, or why not. */
  #write(
    session: Session,
    messages: readonly Outgoing[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Error | 'unknown' | null>[] {
    const { channel, returned } = session;
    // One timer for all of them.
    let end: () => void = () => undefined;
    const given = new Promise<'unknown'>((resolve) => {
      end = () => resolve('unknown');
    });
    const timer = setTimeout(end, Math.max(1, until - performance.now()));
    signal?.addEventListener('abort', end, { once: true });
    session.underWay.add(end);
    if (session.isLost) end();
    let open = messages.length;
    const over = (): void => {
      if (--open > 0) return;
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      session.underWay.delete(end);
    };
    return messages.map(({ exchange, routingKey, content, options }) => {
      const mark: string = options.messageId ?? `umbel-${++marks}`;
      const answer = new Promise<Error | 'unknown' | null>((resolve) => {
        try {
          channel.publish(
            exchange,
            routingKey,
            content,
            { ...options, messageId: mark },
            (error: unknown) => {
              if (returned.delete(mark)) resolve(unroutable(exchange, routingKey));
              else if (error === null || error === undefined) resolve(null);
              else if (session.isLost) resolve('unknown');
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
      return Promise.race([answer, given]).finally(over);
    });
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

function isUnroutable(problem: Error | 'unknown' | null | undefined): boolean {
  return problem instanceof UnroutableError;
}

function unroutable(exchange: string, routingKey: string): UnroutableError {
  return new UnroutableError(
    exchange === ''
      ? `there is no queue '${routingKey}' on RabbitMQ (any more)`
      : `no queue is bound to the exchange '${exchange}' for the key '${routingKey}'; declare one in taskQueues`,
  );
}
