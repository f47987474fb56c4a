// A connection to RabbitMQ that is made again whenever it is lost.

import { Socket } from 'node:net';
import type {
  Channel,
  ChannelModel,
  ConfirmChannel,
  ConsumeMessage,
  GetMessage,
  Message,
  Options,
} from 'amqplib';
import { BrokerUnavailable } from '../../../errors.ts';
import { backoffDelay } from '../../../lib/backoff.ts';
import { systemClock } from '../../../lib/clock.ts';
import { atMost } from '../../../lib/deadline.ts';
import { IdlePause } from '../../../lib/idle-pause.ts';
import { type Gate, gateTo } from '../../gate.ts';
import { amqplib, checkFieldTables } from './field-table.ts';
import { Relay } from './relay.ts';
import type { AmqpSettings } from './settings.ts';

export type AmqpConnection = ChannelModel;
export type AmqpChannel = Channel;
export type AmqpConfirmChannel = ConfirmChannel;
export type AmqpMessage = ConsumeMessage;
export type AmqpGetMessage = GetMessage;
export type AmqpAnyMessage = Message;
export type AmqpPublishOptions = Options.Publish;

export interface AmqpState {
  readonly state: 'connected' | 'blocked' | 'reconnecting';
  /** For people. */
  readonly reason: string | null;
}

interface AmqpLinkOptions {
  /** Its heartbeats go on while the event loop is blocked. Costs a thread. */
  readonly steady?: boolean;
  /** Seconds between heartbeats, unless the settings name another number. Default 60. */
  readonly heartbeat?: number;
  /** It keeps the process alive only while it is held (see {@link AmqpLink.hold}). Default: as long as it is open. */
  readonly idle?: boolean;
  /** There is a new connection: everything on it must be made again. An error ends the connection. */
  onReady?(connection: AmqpConnection): Promise<void> | void;
  onLost?(reason: string): void;
  onState?(state: AmqpState): void;
}

/** The pauses between connections that end in `onReady`, and before the first attempt after a loss, milliseconds. */
const retryPolicy = { factor: 50, maximum: 2000, jitter: true } as const;

export class AmqpLink implements AsyncDisposable {
  readonly settings: AmqpSettings;
  readonly #options: AmqpLinkOptions;
  /** Seconds; 0: none. */
  readonly #heartbeat: number;
  readonly #relay: Relay | null;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<() => void>();
  #connection: AmqpConnection | null = null;
  #state: AmqpState = { state: 'reconnecting', reason: null };
  readonly #gate: Gate;
  /** The index of the server that is used or tried. */
  #turn = 0;
  /** The number of `hold` calls without `release`. */
  #held: number;
  readonly #pause: IdlePause;
  readonly #running: Promise<void>;

  constructor(settings: AmqpSettings, options: AmqpLinkOptions = {}) {
    this.settings = settings;
    this.#options = options;
    this.#heartbeat = settings.heartbeat ?? options.heartbeat ?? 60;
    this.#relay = options.steady === true && this.#heartbeat > 0 ? new Relay() : null;
    this.#held = options.idle === true ? 0 : 1;
    this.#pause = new IdlePause(this.#held > 0);
    this.#gate = gateTo('amqp', settings.endpoints, settings.secure, settings.tls);
    this.#running = this.#run();
  }

  /**
   * Keeps the process alive until {@link release} was called as often: something is awaited of this connection. Without that, a program that has
   * nothing else to do ends.
   */
  hold(): void {
    if (++this.#held === 1) this.#keep(true);
  }

  release(): void {
    if (--this.#held === 0) this.#keep(false);
  }

  get state(): AmqpState {
    return this.#state;
  }

  /** The current connection, ready to use. */
  get connection(): AmqpConnection | null {
    return this.#connection;
  }

  /** Waits for a connection. @throws BrokerUnavailable after `timeoutMs`, or the signal's reason. */
  async ready(timeoutMs: number, signal?: AbortSignal): Promise<AmqpConnection> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      if (this.#connection !== null) return this.#connection;
      signal?.throwIfAborted();
      const { shown } = this.settings;
      if (this.#closing.signal.aborted) throw new BrokerUnavailable(`the connection to ${shown} is closed`);
      const left = until - performance.now();
      const { reason } = this.#state;
      if (left <= 0)
        throw new BrokerUnavailable(`${shown} cannot be reached${reason === null ? '' : `: ${reason}`}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          clearTimeout(timer);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  async close(): Promise<void> {
    this.hold();
    this.#closing.abort();
    for (const wake of [...this.#waiting]) wake();
    const connection = this.#connection;
    if (connection !== null) {
      await withEnd(connection.close(), 2000);
      hangUp(connection);
    }
    await withEnd(this.#running, 2000);
    await this.#relay?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const way = {
      reach: () => this.#connect(),
      whyAway: reasonOf,
      report: (reason: string) => this.#set({ state: 'reconnecting', reason }),
      pause: (ms: number, until: AbortSignal) => this.#pause.sleep(ms, until),
    };
    // Not `retrying`: a connection that was made and lost is no failure, and while the server is away the gate sets the pace.
    for (let failures = 0; !signal.aborted; ) {
      let connection: AmqpConnection | null = null;
      try {
        connection = await this.#gate.attempt(way, signal);
        const lost = new Promise<Error>((resolve) => {
          connection?.on('error', resolve);
          connection?.on('close', (error) => resolve(error ?? new Error('the connection was closed')));
        });
        connection.on('blocked', (reason) =>
          this.#set({ state: 'blocked', reason: `RabbitMQ takes no messages: ${reason}` }),
        );
        connection.on('unblocked', () => this.#set({ state: 'connected', reason: null }));
        if (signal.aborted) {
          await withEnd(connection.close(), 2000);
          hangUp(connection);
          break;
        }
        if (isOver(connection)) throw new Error('the server closed the connection as soon as it was opened');
        await this.#options.onReady?.(connection);
        failures = 0;
        this.#connection = connection;
        if (this.#held === 0) this.#keep(false);
        this.#set({ state: 'connected', reason: null });
        for (const wake of [...this.#waiting]) wake();
        this.#lost(await lost);
        hangUp(connection);
      } catch (error) {
        if (signal.aborted && connection === null) break;
        this.#gate.pass(this.#turn);
        this.#lost(error);
        if (connection !== null) {
          failures++;
          await withEnd(connection.close(), 500);
          hangUp(connection);
        }
      }
      if (!signal.aborted) await this.#pause.sleep(backoffDelay(retryPolicy, failures), signal);
    }
  }

  #keep(keeps: boolean): void {
    this.#pause.keep(keeps);
    if (this.#connection === null) return;
    const { stream, heartbeater } = insideOf(this.#connection);
    if (stream instanceof Socket) {
      if (keeps) stream.ref();
      else stream.unref();
    }
    // They go on as long as the process.
    for (const timer of timersOf(heartbeater)) timer.unref();
  }

  async #connect(): Promise<AmqpConnection> {
    this.#turn = this.#gate.turn;
    const connection = await this.#dial();
    try {
      checkFieldTables();
    } catch (error) {
      await connection.close();
      throw error;
    }
    gatherWrites(connection);
    return connection;
  }

  async #dial(): Promise<AmqpConnection> {
    const { endpoints, secure, tls, connectTimeoutMs: timeout } = this.settings;
    const endpoint = endpoints[this.#turn % endpoints.length];
    if (endpoint === undefined) throw new TypeError('no server is named');
    const { connect } = amqplib();
    const options = { ...endpoint, heartbeat: this.#heartbeat, locale: 'en_US' };
    if (this.#relay === null) {
      const { checkHostname, ...rest } = tls;
      const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
      const protocol = secure ? 'amqps' : 'amqp';
      return connect(
        { ...options, protocol },
        { ...rest, ...unnamed, timeout, noDelay: true, keepAlive: true },
      );
    }
    const path = await this.#relay.open(endpoint, this.settings);
    const connection = await connect({ ...options, protocol: 'amqp' }, { path, timeout });
    this.#relay.beat((negotiatedSeconds(connection) ?? this.#heartbeat) * 500);
    return connection;
  }

  #lost(error: unknown): void {
    this.#connection = null;
    const reason = reasonOf(error);
    this.#set({ state: 'reconnecting', reason });
    this.#options.onLost?.(reason);
  }

  #set(state: AmqpState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

/** An error's text, for people. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
}

/** Closes a channel. (The library's promise never ends if the connection is lost meanwhile; then the channel's event does.) */
export function closeChannel(channel: AmqpChannel): Promise<void> {
  return new Promise((resolve) => {
    channel.once('close', () => resolve());
    channel.close().then(resolve, () => resolve()); // it was closed before
  });
}

/** The heartbeat that the server accepted, seconds; it may be shorter than ours. */
function negotiatedSeconds(connection: AmqpConnection): number | null {
  const { heartbeat } = insideOf(connection);
  return typeof heartbeat === 'number' ? heartbeat : null;
}

/** The library writes each frame with a system call of its own. Here all frames of one turn are written together. */
function gatherWrites(connection: AmqpConnection): void {
  const { stream } = insideOf(connection);
  if (!(stream instanceof Socket)) return;
  const write = stream.write.bind(stream);
  let corked = false;
  // The library calls it with a chunk and nothing else.
  stream.write = (chunk: string | Uint8Array): boolean => {
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(() => {
        corked = false;
        stream.uncork();
      });
    }
    return write(chunk);
  };
}

/**
 * The library only sends its own end of the stream. A dead network never answers, and the open socket would
 * keep the process alive.
 */
function hangUp(connection: AmqpConnection): void {
  const { stream } = insideOf(connection);
  if (stream instanceof Socket) stream.destroy();
}

/**
 * Whether it has ended already: if the server closes the connection in the packet of its welcome, the library reads that before anybody can
 * listen, and emits no event later.
 */
function isOver(connection: AmqpConnection): boolean {
  const { stream } = insideOf(connection);
  return stream instanceof Socket && (stream.destroyed || stream.writableEnded);
}

/** Private parts of the library: its inner connection, with the stream and the heartbeat's interval. */
function insideOf(connection: AmqpConnection): {
  readonly heartbeat?: unknown;
  readonly stream?: unknown;
  readonly heartbeater?: unknown;
} {
  const inner: unknown = 'connection' in connection && connection.connection;
  return typeof inner === 'object' && inner !== null ? inner : {};
}

function timersOf(heartbeater: unknown): readonly NodeJS.Timeout[] {
  if (typeof heartbeater !== 'object' || heartbeater === null) return [];
  return Object.values(heartbeater).filter((each): each is NodeJS.Timeout => each instanceof Timeout);
}

const timer = setTimeout(() => undefined, 0);
clearTimeout(timer);
const Timeout = timer.constructor as new () => NodeJS.Timeout; // Node does not export it

/** Never rejects, and waits at most for `ms`: a lost connection may never answer. */
async function withEnd(promise: Promise<unknown>, ms: number): Promise<void> {
  await atMost(
    ms,
    promise.catch(() => undefined),
    systemClock,
  );
}
