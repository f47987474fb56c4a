// Sends commands to all workers, and gathers their replies.
import { randomUUID } from 'node:crypto';
import type { App } from '../app/app.ts';
import { processClock } from '../events/node.ts';
import { startDeadline } from '../lib/deadline.ts';
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

/** A queue for replies, kept open from the first command until it is closed. */
export class Mailbox implements AsyncDisposable {
  readonly #app: App;
  readonly #key: string = randomUUID();
  readonly #tickets = new Map<string, Gather>();
  #listening: Promise<AsyncDisposable> | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  /** Sends a command without waiting for replies. @throws BrokerUnavailable */
  async tell(method: string, args: Json, recipients: Recipients = {}): Promise<void> {
    const { fanout } = await this.#app.broker();
    const request = requestOf(method, args, recipients, null);
    const { control } = this.#app.exchanges;
    await fanout.publish(control, '', requestMessage(control.name, request, 0));
  }

  /** Sends a command, and gathers the replies that come in time. @throws BrokerUnavailable */
  async ask(method: string, args: Json, asking: Asking): Promise<Answers> {
    const { timeoutMs, signal, onReply, destination } = asking;
    const { fanout } = await this.#app.broker();
    this.#listening ??= this.#listen();
    await this.#listening.catch((error: unknown) => {
      this.#listening = null;
      throw error;
    });
    const known = fanout.workers().catch(() => null);
    const ticket = randomUUID();
    const { control, replies: replyExchange } = this.#app.exchanges;
    const reply = { ticket, exchange: replyExchange.name, routingKey: this.#key };
    const request = requestOf(method, args, asking, reply);
    const replies = new Map<string, unknown>();
    const limit = asking.limit ?? destination?.length ?? Number.POSITIVE_INFINITY;
    let enough: () => void = () => undefined;
    const gathered = new Promise<void>((resolve) => {
      enough = resolve;
    });
    this.#tickets.set(ticket, (node, value) => {
      replies.set(node, value);
      onReply?.(node, value);
      if (replies.size >= limit) enough();
    });
    const end = startDeadline(timeoutMs, enough);
    signal?.addEventListener('abort', enough, { once: true });
    try {
      signal?.throwIfAborted();
      await fanout.publish(
        control,
        '',
        requestMessage(control.name, request, Date.now() / 1000 + timeoutMs / 1000),
      );
      await gathered;
    } finally {
      end();
      signal?.removeEventListener('abort', enough);
      this.#tickets.delete(ticket);
    }
    return { replies, silent: silent(request, (await known) ?? [], replies) };
  }

  async close(): Promise<void> {
    const listening = await this.#listening?.catch(() => null);
    this.#listening = null;
    await listening?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    return fanout.subscribe(subscription, (message) => {
      const read = readReply(message);
      if (!read.ok) return; // no reply to us
      for (const { node, value, ticket, clock } of read.value) {
        processClock.adjust(clock);
        this.#tickets.get(ticket)?.(node, value);
      }
    });
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
