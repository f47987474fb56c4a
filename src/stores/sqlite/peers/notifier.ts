// Processes that share a store wake each other: each has a unix socket, to which the others write lines of text.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { makeFolder } from '../../../lib/make-folder.ts';
import { privateFolder } from '../../../lib/private-folder.ts';

/** Longest path of a unix socket on all systems, bytes (Linux 107, macOS 103). */
const maxSocketPath = 100;

/** Whether the other process lives. */
type Liveness = 'alive' | 'gone';

/**
 * A process's own socket. The kernel accepts a connection even while the process's event loop is blocked, and refuses it when the process is
 * dead. So the socket also shows which processes live.
 */
export class WakeupSocket {
  readonly address: string;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(address: string, server: Server) {
    this.address = address;
    this.#server = server;
  }

  /**
   * Opens the socket of this process for the store `file`; `onNotified` gets each line of text. The socket does not keep the process alive.
   * @throws StoreError when the socket cannot be created.
   */
  static async open(file: string, onNotified: (text: string) => void): Promise<WakeupSocket> {
    const address = socketPath(file);
    const server = createServer();
    const wakeup = new WakeupSocket(address, server);
    server.on('connection', (socket) => wakeup.#accept(socket, onNotified));
    await new Promise<void>((done, fail) => {
      server.once('error', (error) =>
        fail(new StoreError(`cannot listen on ${address}: ${error.message}`, { cause: error })),
      );
      server.listen(address, done);
    });
    server.unref();
    if (process.platform !== 'win32') chmodSync(address, 0o600);
    return wakeup;
  }

  /** Closes the socket and removes its file. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
    removeSocket(this.address);
  }

  #accept(socket: Socket, onNotified: (text: string) => void): void {
    this.#clients.add(socket);
    socket.unref();
    socket.setEncoding('utf8');
    let rest = '';
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onNotified(line);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(socket));
  }
}

/** Notifies other processes, over connections that it keeps open. */
export class Notifier {
  readonly #connections = new Map<string, Connection>();

  /** Sends a line of text to a process; `gone`: no process listens at that address any more. */
  async notify(address: string, text: string): Promise<Liveness> {
    let connection = this.#connections.get(address);
    if (connection === undefined) {
      connection = openConnection(address, () => this.#connections.delete(address));
      this.#connections.set(address, connection);
    }
    if (connection.opening !== null && (await connection.opening) === 'gone') return 'gone';
    connection.socket.write(`${text}\n`);
    return 'alive';
  }

  /** Delivers the sent lines, then closes the connections. */
  async close(): Promise<void> {
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    for (const connection of connections) {
      await connection.opening;
      connection.socket.end();
    }
  }
}

/** Removes the file of a socket. */
export function removeSocket(address: string): void {
  if (process.platform !== 'win32') rmSync(address, { force: true });
}

/** Whether a process listens at this address. */
export function probe(address: string): Promise<Liveness> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.unref();
    socket.once('connect', () => {
      socket.destroy();
      resolve('alive');
    });
    socket.once('error', (error) => resolve(isGone(error) ? 'gone' : 'alive'));
  });
}

/**
 * Stays connected to a process and calls `onGone` when the connection breaks; the kernel closes it as soon as the process dies. Returns a
 * function that ends the watch.
 */
export function watchLiveness(address: string, onGone: () => void): () => void {
  const socket = connect(address);
  socket.unref();
  socket.on('error', () => {});
  socket.on('close', onGone);
  socket.resume();
  return () => {
    socket.off('close', onGone);
    socket.destroy();
  };
}

interface Connection {
  readonly socket: Socket;
  /** Null once the connection is open. */
  opening: Promise<Liveness> | null;
}

function openConnection(address: string, onClose: () => void): Connection {
  const socket = connect(address);
  socket.unref();
  const opening = new Promise<Liveness>((resolve) => {
    socket.once('connect', () => {
      connection.opening = null;
      resolve('alive');
    });
    socket.once('close', () => resolve('gone'));
  });
  const connection: Connection = { socket, opening };
  socket.on('error', () => {});
  socket.on('close', onClose);
  socket.resume();
  return connection;
}

/** Refused: the socket's owner is dead. Missing: the owner closed it. Other errors (a full backlog, for example) prove nothing. */
function isGone(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNREFUSED' || error.code === 'ENOENT' || error.code === 'ENOTSOCK';
}

/** The path of a new socket: beside the store, or, where that would be too long, in a private folder for temporary files. */
function socketPath(file: string): string {
  const name = `${randomBytes(6).toString('hex')}.sock`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\umbel-${name}`;
  const beside = `${file}-peers`;
  const folder = Buffer.byteLength(join(beside, name)) <= maxSocketPath ? beside : folderOf(file);
  makeFolder(folder, 0o700);
  return join(folder, name);
}

function folderOf(file: string): string {
  const name = createHash('sha256').update(file).digest('hex').slice(0, 12);
  return privateFolder(name, `remove it, or use a shorter path than ${file}`);
}
