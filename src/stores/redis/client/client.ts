// One connection to a Redis server, from its start to its end; RedisLink makes the next one. It is our own because it writes the commands of
// one moment as one buffer, without delay, takes little memory and serves in threads, too.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { CommandWriter, ErrorReply, type RedisArgument, type Reply, ReplyReader } from './resp.ts';

/** Plain data: a thread can be given it. */
export interface RedisClientOptions {
  /** As `net.connect` and, with `tls: true`, `tls.connect` take it. */
  readonly socket: Readonly<Record<string, unknown>> & {
    readonly tls?: boolean;
    /** False: the certificate may have another name than the host. */
    readonly checkHostname?: boolean;
  };
  readonly database?: number;
  readonly username?: string;
  readonly password?: string;
}

/** The command was not written: there is no connection. */
export class NotConnected extends Error {
  constructor() {
    super('there is no connection');
    this.name = 'NotConnected';
  }
}

type ChannelListener = (message: string, channel: string) => void;

interface Pending {
  /** Its reply holds Buffers instead of text. */
  readonly asBytes: boolean;
  readonly done: (reply: Reply) => void;
  readonly failed: (error: Error) => void;
}

export class RedisClient {
  readonly #options: RedisClientOptions;
  readonly #onEnd: (error: Error) => void;
  readonly #socket: Socket;
  readonly #writer = new CommandWriter();
  readonly #reader: ReplyReader;
  /** Commands in the order of their replies; those before `#first` have been answered. */
  #pending: Pending[] = [];
  #first = 0;
  #isFlushing = false;
  #isOpen = true;
  #isClosing = false;
  /** By channel or pattern. */
  readonly #listeners = new Map<string, Set<ChannelListener>>();
  #subscribes = false;
  readonly #ready: Promise<void>;

  /**
   * Begins to connect. `onEnd` is called once, when the connection has ended, with the reason.
   */
  constructor(options: RedisClientOptions, onEnd: (error: Error) => void = () => undefined) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#reader = new ReplyReader(
      (reply) => this.#receive(reply),
      () => this.#pending[this.#first]?.asBytes === true,
    );
    const { socket, opened } = open(options);
    this.#socket = socket;
    let reason = new Error('the connection was closed');
    socket.on('error', (error) => {
      reason = error;
    });
    socket.on('close', () => this.#end(reason));
    socket.on('data', (piece: Buffer) => this.#read(piece));
    this.#ready = new Promise<void>((resolve, reject) => {
      socket.once(opened, () => {
        socket.setNoDelay(true).setKeepAlive(true, keepAliveMs);
        this.#greet().then(resolve, reject);
      });
      socket.once('close', () => reject(reason));
    });
    this.#ready.catch(() => undefined); // `connected` throws it
  }

  /** Resolves after the login. @throws ErrorReply: the server refuses it; Error: the connection failed */
  connected(): Promise<void> {
    return this.#ready;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  /**
   * Writes a command, together with the others of this moment. Calls `failed` with {@link NotConnected} (the command was not written),
   * {@link ErrorReply} (the server refused it), or another error: the connection ended, and the server may have carried it out.
   */
  send(
    args: readonly RedisArgument[],
    asBytes: boolean,
    done: (reply: Reply) => void,
    failed: (error: Error) => void,
  ): void {
    if (!this.#isOpen || this.#isClosing) {
      failed(new NotConnected());
      return;
    }
    this.#pending.push({ asBytes, done, failed });
    this.#writer.add(args);
    if (this.#writer.length >= fullBytes) this.#write();
    else if (!this.#isFlushing) {
      this.#isFlushing = true;
      queueMicrotask(this.#flush);
    }
  }

  /** As {@link send}. */
  call(args: readonly RedisArgument[]): Promise<Reply> {
    return new Promise((resolve, reject) => this.send(args, false, resolve, reject));
  }

  /** Subscribes to a channel, or to a pattern of channels (`PSUBSCRIBE`). Resolves when the server has confirmed it. */
  subscribe(command: 'SUBSCRIBE' | 'PSUBSCRIBE', name: string, listener: ChannelListener): Promise<unknown> {
    this.#subscribes = true;
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, new Set([listener]));
    else listeners.add(listener);
    return this.call([command, name]);
  }

  async unsubscribe(
    command: 'UNSUBSCRIBE' | 'PUNSUBSCRIBE',
    name: string,
    listener: ChannelListener,
  ): Promise<void> {
    const listeners = this.#listeners.get(name);
    listeners?.delete(listener);
    if (listeners === undefined || listeners.size > 0) return;
    this.#listeners.delete(name);
    await this.call([command, name]);
  }

  /** Ends the connection at once. Commands without a reply fail. */
  destroy(): void {
    this.#socket.destroy();
    this.#end(new Error('the connection was closed'));
  }

  /** Ends the connection after the replies to all commands. */
  close(): void {
    this.#isClosing = true;
    if (this.#first === this.#pending.length) this.destroy();
  }

  /** Logs in, selects the database, and asks whether the server takes commands. */
  async #greet(): Promise<void> {
    const { username, password, database } = this.#options;
    const auth =
      password === undefined
        ? null
        : this.call(['AUTH', ...(username === undefined ? [] : [username]), password]);
    const select = database ? this.call(['SELECT', String(database)]) : null;
    // The reply tells whether the server wants a password, has no room for another connection, or is loading its data, in which it refuses
    // every command of ours, though not AUTH and SELECT. It may refuse this one for lack of rights, or of room on its disk: that is no matter.
    const ping = database === undefined ? null : this.call(['PING']);
    select?.catch(() => undefined);
    ping?.catch(() => undefined);
    await auth;
    await select;
    await ping?.catch((error: Error) => {
      if (!(error instanceof ErrorReply) || /^(?:NOAUTH|ERR max|LOADING)/.test(error.message)) throw error;
    });
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    if (this.#isOpen && this.#writer.length > 0) this.#write();
  };

  #write(): void {
    const { bytes, written } = this.#writer.take();
    this.#socket.write(bytes, written);
  }

  #read(piece: Buffer): void {
    try {
      this.#reader.read(piece);
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #receive(reply: Reply): void {
    if (this.#subscribes && this.#deliver(reply)) return;
    const pending = this.#pending[this.#first];
    if (pending === undefined) {
      // A server without room for another connection sends an error and closes the connection.
      this.#socket.destroy(reply instanceof Error ? reply : new Error('an answer that nobody asked for'));
      return;
    }
    this.#first++;
    if (this.#first === this.#pending.length) {
      this.#pending = [];
      this.#first = 0;
    } else if (this.#first === maxAnswered) {
      this.#pending = this.#pending.slice(this.#first);
      this.#first = 0;
    }
    if (reply instanceof ErrorReply) pending.failed(reply);
    else pending.done(reply);
    if (this.#isClosing && this.#pending.length === 0) this.destroy();
  }

  /** False: it is the reply to a command. */
  #deliver(reply: Reply): boolean {
    if (!Array.isArray(reply)) return false;
    const [kind, name] = reply;
    if (kind !== 'message' && kind !== 'pmessage') return false;
    const [channel, message] = reply.slice(-2);
    for (const listener of [...(this.#listeners.get(String(name)) ?? [])])
      try {
        listener(String(message), String(channel));
      } catch (error) {
        // A fault of the listener, not of the connection: it must not stop the replies behind this message.
        queueMicrotask(() => {
          throw error;
        });
      }
    return true;
  }

  #end(reason: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const waiting = this.#pending.slice(this.#first);
    this.#pending = [];
    this.#first = 0;
    for (const { failed } of waiting) failed(reason);
    this.#onEnd(reason);
  }
}

const keepAliveMs = 5000;
/** Commands of this size are written at once, so that the server begins while the next are made. */
const fullBytes = 16_384;
/** The number of answered commands that are removed together. */
const maxAnswered = 1024;

function open({ socket: { checkHostname, tls, ...to } }: RedisClientOptions): {
  readonly socket: Socket;
  readonly opened: 'connect' | 'secureConnect';
} {
  // `clientOptions` made them for such a call.
  if (tls !== true) return { socket: connect(to as unknown as NetConnectOpts), opened: 'connect' };
  const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  // Loaded only where it is used: it takes a thread some memory.
  const library = process.getBuiltinModule('node:tls');
  return { socket: library.connect({ ...(to as ConnectionOptions), ...unnamed }), opened: 'secureConnect' };
}
