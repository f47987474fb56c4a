// The worker's consumer of remote-control commands: receives requests, carries them out, replies.
import type { RemoteCommand } from '../../app/commands.ts';
import type { Clock } from '../../lib/clock.ts';
import { atMost } from '../../lib/deadline.ts';
import type { Service } from '../../lib/service.ts';
import { type ControlRequest, isMeant, readRequest, replyMessage } from '../../protocol/control.ts';
import type { Decoded, Json, WireMessage } from '../../protocol/message.ts';
import { saferepr } from '../../protocol/saferepr.ts';
import type { Fanout } from '../../stores/fanout.ts';
import { logSameName } from '../same-name.ts';
import { subscribeWithRetry } from '../subscribe-with-retry.ts';
import { OncePerMinute } from '../unknown-task.ts';
import { CommandError, noReply, type Panel } from './panel.ts';
import { commands } from './registry.ts';

interface RemoteControlParts {
  readonly panel: Panel;
  readonly fanout: Fanout;
  readonly clock: Clock;
  /** Commands of the application, by name. */
  readonly custom: ReadonlyMap<string, RemoteCommand>;
}

/** Celery's control_queue_ttl and control_queue_expires. */
const ttlMs = 300_000;
const expiresMs = 10_000;
/** How long the worker's start waits for its subscription, milliseconds; on a slower broker it is subscribed later. */
const startMs = 3_000;
/** Requests that are handled at a time; further ones are dropped, which is logged. */
const maxAtOnce = 1_000;

export class RemoteControl implements Service {
  readonly #parts: RemoteControlParts;
  readonly #stopping = new AbortController();
  readonly #malformed = new OncePerMinute();
  #listening: Promise<void> | null = null;
  #subscription: AsyncDisposable | null = null;
  #busy = 0;
  #refused = 0;

  constructor(parts: RemoteControlParts) {
    this.#parts = parts;
  }

  /** The number of messages that were no requests. */
  get refused(): number {
    return this.#refused;
  }

  /** Resolves when it is subscribed, or after a while when the broker is slow. */
  async start(): Promise<void> {
    this.#listening ??= this.#listen();
    await atMost(startMs, this.#listening, this.#parts.clock);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#listening !== null) await atMost(startMs, this.#listening, this.#parts.clock);
    await this.#subscription?.[Symbol.asyncDispose]();
    this.#subscription = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(): Promise<void> {
    const { fanout, clock, panel } = this.#parts;
    const { signal } = this.#stopping;
    const { control } = panel.app.exchanges;
    const subscription = {
      exchange: control,
      keys: [''],
      queue: `${panel.name}.${control.name}`,
      ttlMs,
      expiresMs,
      onShared: () => logSameName(panel.name, panel.logger),
    };
    const onRefused = (error: unknown): void =>
      panel.logger.warn({ err: error }, `cannot subscribe to remote-control commands yet: ${String(error)}`);
    this.#subscription = await subscribeWithRetry(
      fanout,
      subscription,
      (message) => this.#onMessage(message),
      {
        clock,
        signal,
        onRefused,
      },
    );
  }

  #onMessage(message: Decoded<WireMessage>): void {
    const { panel, clock } = this.#parts;
    const read = readRequest(message, panel.app.config.acceptContent);
    if (!read.ok) {
      this.#refused++;
      const { reason, detail } = read.refusal;
      if (this.#malformed.allows('malformed', clock.now()))
        panel.logger.warn(
          { reason, refused: this.#refused },
          `a message to workers is no request: ${detail}`,
        );
      return;
    }
    panel.lamport.adjust(read.value.clock);
    if (!isMeant(read.value, panel.name)) return;
    if (this.#busy >= maxAtOnce) {
      if (this.#malformed.allows('busy', clock.now()))
        panel.logger.warn({ atOnce: maxAtOnce }, 'too many requests at once: some get no answer');
      return;
    }
    this.#busy++;
    void this.#answer(read.value).finally(() => this.#busy--);
  }

  /** Never rejects. */
  async #answer(request: ControlRequest): Promise<void> {
    const { panel, fanout } = this.#parts;
    const value = await this.#do(request);
    if (request.reply === null || value === noReply) return;
    const { exchange, routingKey, ticket } = request.reply;
    try {
      const to = { exchange, routingKey };
      const reply = { node: panel.name, ticket, clock: panel.lamport.forward() };
      let message: WireMessage;
      try {
        message = replyMessage({ ...reply, value }, to);
      } catch (error) {
        message = replyMessage({ ...reply, value: { error: errorText(error) } }, to);
      }
      await fanout.publish({ name: exchange, type: 'direct', durable: false }, routingKey, message);
    } catch (error) {
      panel.logger.warn(
        { err: error, method: request.method },
        `cannot answer the request '${request.method}': ${String(error)}`,
      );
    }
  }

  async #do({ method, arguments: args }: ControlRequest): Promise<unknown> {
    const { panel } = this.#parts;
    try {
      const value = await this.#run(method, args);
      return value === undefined ? null : value;
    } catch (error) {
      if (!(error instanceof CommandError))
        panel.logger.error({ err: error, method }, `the command '${method}' failed: ${String(error)}`);
      return { error: errorText(error) };
    }
  }

  #run(method: string, args: Json): unknown {
    const { panel, custom } = this.#parts;
    const own = custom.get(method);
    if (own !== undefined) return own(args, panel.name);
    const command = commands.get(method);
    if (command === undefined) throw new CommandError('KeyError', method);
    return command(panel, args);
  }
}

/** As Python shows an exception. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}(${saferepr(error.message)})`;
}
