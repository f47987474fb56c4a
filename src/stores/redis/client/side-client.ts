// The Redis connection of a side thread, which calls one script, and its messages to and from the thread that started it. Small on purpose:
// the library would cost a thread 110 ms of CPU time and 17 MB.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { withDeadline } from '../../../lib/deadline.ts';
import type { RedisClientOptions } from './link.ts';
import { commandText, ErrorReply, type Reply, readReply } from './resp.ts';

/** The start data of a side thread. */
export interface SideThreadStart<Data> {
  readonly data: Data;
  readonly options: RedisClientOptions;
  /** The other thread's connection is lost. */
  readonly away: boolean;
  readonly script: string;
  readonly sha: string;
  readonly key: string;
  readonly answerMs: number;
}

/** A message to a side thread: from its owner, or (`options`) the server to which the other thread is connected; null: none. */
export type ToSideThread<Input> =
  | { readonly message: Input }
  | { readonly options: RedisClientOptions | null };

interface Handlers<Input> {
  /** There is a connection, or there is one again. */
  onReady?(): void;
  onMessage(message: Input): void;
}

interface Asked {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

interface Connection {
  readonly socket: Socket;
  /** In the order in which answers will come. */
  readonly asked: Asked[];
}

/** After this time a thread tries itself, though the other thread tries, too, milliseconds: leases are longer. */
const blockedMs = 4000;

export class SideClient<Data, Input, Output> {
  readonly data: Data;
  /** The key of the script. */
  readonly key: string;
  readonly #start: SideThreadStart<Data>;
  readonly #handlers: Handlers<Input>;
  #options: RedisClientOptions;
  #connection: Connection;
  #ready = false;
  #failures = 0;
  #away: boolean;
  #retrying: NodeJS.Timeout | undefined;

  constructor(handlers: Handlers<Input>) {
    this.#start = workerData as SideThreadStart<Data>; // `SideThread` gave it
    this.#handlers = handlers;
    this.data = this.#start.data;
    this.key = this.#start.key;
    this.#options = this.#start.options;
    this.#away = this.#start.away;
    this.#connection = this.#connect();
    parentPort?.on('message', (message: ToSideThread<Input>) => this.#receive(message));
  }

  get isReady(): boolean {
    return this.#ready;
  }

  post(message: Output): void {
    parentPort?.postMessage(message);
  }

  /** Calls the script. @throws Refusal by the server; Error when there is no connection, or no answer in time */
  async run(...args: readonly string[]): Promise<Reply> {
    if (!this.#ready) throw new Error('there is no connection');
    const mine = this.#connection;
    const { script, sha, key, answerMs } = this.#start;
    const call = send(mine, ['EVALSHA', sha, '1', key, ...args]).catch((error: Error) => {
      if (!error.message.startsWith('NOSCRIPT')) throw error;
      return send(mine, ['EVAL', script, '1', key, ...args]);
    });
    return withDeadline(answerMs, call, () => {
      mine.socket.destroy();
      return new Error('no answer');
    });
  }

  #receive(message: ToSideThread<Input>): void {
    if ('message' in message) {
      this.#handlers.onMessage(message.message);
      return;
    }
    this.#away = message.options === null;
    const isClosed = this.#connection.socket.destroyed;
    if (message.options === null) {
      if (!this.#ready && isClosed) this.#retry();
      return;
    }
    const isSame = JSON.stringify(this.#options) === JSON.stringify(message.options);
    if (isSame && (this.#ready || !isClosed)) return;
    this.#options = message.options;
    const old = this.#connection;
    this.#connection = this.#connect();
    old.socket.destroy();
  }

  #connect(): Connection {
    clearTimeout(this.#retrying);
    this.#ready = false;
    const { socket, opened } = open(this.#options);
    const mine: Connection = { socket, asked: [] };
    const late = setTimeout(() => socket.destroy(), Number(this.#options.socket.connectTimeout ?? 5000));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(late);
      for (const { reject } of mine.asked.splice(0)) reject(new Error('the connection was closed'));
      if (mine !== this.#connection) return;
      this.#ready = false;
      this.#failures++;
      this.#retry();
    });
    listen(mine);
    socket.once(opened, () => {
      greet(mine, this.#options).then(
        () => {
          clearTimeout(late);
          this.#failures = 0;
          this.#ready = mine === this.#connection;
          if (this.#ready) this.#handlers.onReady?.();
        },
        () => void socket.destroy(),
      );
    });
    return mine;
  }

  /** While the other thread tries to connect, this one waits to be told that the server is back; it tries itself if that thread is blocked. */
  #retry(): void {
    clearTimeout(this.#retrying);
    const ms = this.#away ? blockedMs : Math.min(25 * 2 ** this.#failures, 1000);
    this.#retrying = setTimeout(
      () => {
        this.#connection = this.#connect();
      },
      ms * (0.75 + Math.random() / 2),
    );
  }
}

function open({ socket: { checkHostname, ...to } }: RedisClientOptions): {
  readonly socket: Socket;
  readonly opened: 'connect' | 'secureConnect';
} {
  // `clientOptions` made them for such a call.
  if (to.tls !== true) return { socket: connect(to as unknown as NetConnectOpts), opened: 'connect' };
  const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  // Loaded only where it is used: it takes some memory of a thread.
  const tls = process.getBuiltinModule('node:tls');
  return { socket: tls.connect({ ...(to as ConnectionOptions), ...unnamed }), opened: 'secureConnect' };
}

function listen({ socket, asked }: Connection): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length > 0) {
      const read = readReply(rest, 0);
      if (read === null) return;
      rest = rest.subarray(read.end);
      const waiting = asked.shift();
      if (waiting === undefined) return void socket.destroy();
      if (read.value instanceof ErrorReply) waiting.reject(read.value);
      else waiting.resolve(read.value);
    }
  });
}

async function greet(connection: Connection, options: RedisClientOptions): Promise<void> {
  const { username, password, database } = options;
  if (password !== undefined)
    await send(connection, ['AUTH', ...(username === undefined ? [] : [String(username)]), String(password)]);
  if (Number(database) > 0) await send(connection, ['SELECT', String(database)]);
}

function send({ socket, asked }: Connection, args: readonly string[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    asked.push({ resolve, reject });
    socket.write(commandText(args));
  });
}
