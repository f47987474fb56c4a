// Sends commands to all workers, and gathers their replies.
import { randomUUID } from 'node:crypto';
import type { App } from '../app/app.ts';
import { BrokerUnavailable } from '../errors.ts';
import { processClock } from '../events/node.ts';
import { startDeadline, withDeadline } from '../lib/deadline.ts';
import { deferred } from '../lib/deferred.ts';
import { type ControlRequest, isMeant, readReply, requestMessage } from '../protocol/control.ts';
import type { Json } from '../protocol/message.ts';

/** The workers that a command is for. Default: all. */
export interface Recipients {
  /** Node names; default: all. */
  readonly destination?: readonly string[] | undefined;
  /** Workers whose node name matches this pattern. */
  readonly pattern?: string | undefined;
  /** The kind of `pattern`. Default `glob`. */
  readonly matcher?: 'glob' | 'pcre' | undefined;
}

interface Asking extends Recipients {
  readonly timeoutMs: number;
  /** The number of replies that are enough; default: as many as `destination` names. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with each reply when it comes. */
  readonly onReply?: ((node: string, value: unknown) => void) | undefined;
}

/** What workers have replied to a command. */
export interface Answers {
  /** The replies by node name. */
  readonly replies: ReadonlyMap<string, unknown>;
  /**
   * Nodes that live, or that were named, and did not reply. Python's workers are known only if they were named; on RabbitMQ the same is true of
   * ours.
   */
  readonly silent: readonly string[];
}

/** Called with each reply. */
type Gather = (node: string, value: unknown) => void;

/** So long a broker may take to answer, however short replies are awaited, milliseconds: a connection to one that is far away takes seconds. */
const leastMs = 3000;

/**
 * What a broker is asked for, which it has the time for replies to do. A broker that takes connections and says nothing would otherwise be
 * waited for as long as its driver does.
 * @throws BrokerUnavailable
 */
function inTime<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const ms = Math.max(timeoutMs, leastMs);
  const late = () => new BrokerUnavailable(`the broker has not answered within ${ms / 1000} s`);
  return withDeadline(ms, work, late);
}

/** A queue for replies, kept open from the first command until it is closed. */
export class Mailbox implements AsyncDisposable {
  readonly #app: App;
  readonly #key: string = randomUUID();
  readonly #tickets = new Map<string, Gather>();
  #listening: Promise<AsyncDisposable> | null = null;
  #isListening = false;

  constructor(app: App) {
    this.#app = app;
  }

  /**
   * Sends a command without waiting for replies.
   * @throws BrokerUnavailable: it was not sent, or the broker, which had it, did not say so in time
   */
  tell(method: string, args: Json, recipients: Recipients = {}): Promise<void> {
    return inTime(0, this.#tell(method, args, recipients));
  }

  async #tell(method: string, args: Json, recipients: Recipients): Promise<void> {
    const { fanout } = await this.#app.broker();
    const request = requestOf(method, args, recipients, null);
    const { control } = this.#app.exchanges;
    await fanout.publish(control, '', requestMessage(control.name, request, 0));
  }

  /**
   * Sends a command, and gathers the replies that come in time.
   * @throws BrokerUnavailable: the command was not sent, or the broker, which had it, did not say so in time
   */
  async ask(method: string, args: Json, asking: Asking): Promise<Answers> {
    const { timeoutMs, signal, onReply, destination } = asking;
    const ticket = randomUUID();
    const replies = new Map<string, unknown>();
    const limit = asking.limit ?? destination?.length ?? Number.POSITIVE_INFINITY;
    const enough = deferred<void>();
    const stop = (): void => enough.resolve();
    this.#tickets.set(ticket, (node, value) => {
      replies.set(node, value);
      onReply?.(node, value);
      if (replies.size >= limit) stop();
    });
    const over = new AbortController();
    let end: (() => void) | undefined;
    try {
      const sending = this.#send(method, args, asking, ticket, over.signal);
      const { request, known } = await inTime(timeoutMs, sending);
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) stop();
      end = startDeadline(timeoutMs, stop);
      await enough.promise;
      return { replies, silent: silent(request, (await known) ?? [], replies) };
    } finally {
      over.abort();
      end?.();
      signal?.removeEventListener('abort', stop);
      this.#tickets.delete(ticket);
    }
  }

  async close(): Promise<void> {
    const closing = this.#listening?.then((listening) => listening[Symbol.asyncDispose]());
    this.#listening = null;
    closing?.catch(() => undefined);
    // Where the broker has not answered yet, the end of its connection ends this, too. Where it says nothing more, its queue expires.
    if (this.#isListening) await inTime(0, Promise.resolve(closing)).catch(() => undefined);
    this.#isListening = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `over`: it is too late to send it. Resolves when the broker has it. */
  async #send(
    method: string,
    args: Json,
    asking: Asking,
    ticket: string,
    over: AbortSignal,
  ): Promise<{ readonly request: ControlRequest; readonly known: Promise<readonly string[] | null> }> {
    const { fanout } = await this.#app.broker();
    this.#listening ??= this.#listen();
    await this.#listening.catch((error: unknown) => {
      this.#listening = null;
      throw error;
    });
    asking.signal?.throwIfAborted();
    over.throwIfAborted();
    const known = inTime(0, fanout.workers()).catch(() => null);
    const { control, replies } = this.#app.exchanges;
    const request = requestOf(method, args, asking, {
      ticket,
      exchange: replies.name,
      routingKey: this.#key,
    });
    const expires = (Date.now() + asking.timeoutMs) / 1000;
    await fanout.publish(control, '', requestMessage(control.name, request, expires));
    return { request, known };
  }

  async #listen(): Promise<AsyncDisposable> {
    const { fanout } = await this.#app.broker();
    const { replies } = this.#app.exchanges;
    const subscription = {
      exchange: replies,
      keys: [this.#key],
      queue: `${this.#key}.${replies.name}`,
      ttlMs: 300_000,
      expiresMs: 10_000,
    };
    const listening = await fanout.subscribe(subscription, (message) => {
      const read = readReply(message);
      if (!read.ok) return; // no reply to us
      for (const { node, value, ticket, clock } of read.value) {
        processClock.adjust(clock);
        this.#tickets.get(ticket)?.(node, value);
      }
    });
    this.#isListening = true;
    return listening;
  }
}

function requestOf(
  method: string,
  args: Json,
  { destination, pattern, matcher }: Recipients,
  reply: ControlRequest['reply'],
): ControlRequest {
  return {
    method,
    arguments: args,
    destination: destination ?? null,
    pattern: pattern ?? null,
    matcher: pattern === undefined ? null : (matcher ?? 'glob'),
    reply,
    clock: processClock.forward(),
  };
}

function silent(
  request: ControlRequest,
  known: readonly string[],
  replies: ReadonlyMap<string, unknown>,
): string[] {
  const expected = new Set([
    ...known.filter((node) => isMeant(request, node)),
    ...(request.destination ?? []),
  ]);
  return [...expected].filter((node) => !replies.has(node)).sort();
}
