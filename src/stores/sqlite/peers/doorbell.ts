// How processes that share a store wake one another: a unix socket each, on which a line of text is rung.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { StoreError } from '../../../errors.ts';
import { privateFolder } from '../../../lib/private-folder.ts';

/** The longest path that a unix socket may have on all systems, bytes (Linux 107, macOS 103). */
const maxSocketPath = 100;

/** What became of ringing or watching somebody. */
type Presence = 'there' | 'gone';

/**
 * A process's own bell. The kernel takes a connection even while the process's event loop is blocked, and refuses it
 * when the process is dead: so a bell also tells who lives.
 */
export class Doorbell {
  readonly address: string;
  readonly #server: Server;
  readonly #visitors = new Set<Socket>();

  private constructor(address: string, server: Server) {
    this.address = address;
    this.#server = server;
  }

  /**
   * Hangs up a bell for users of the store `file`; `onRing` gets each line rung. Holds no process open.
   * @throws StoreError when no socket can be made.
   */
  static async open(file: string, onRing: (text: string) => void): Promise<Doorbell> {
    const address = socketPath(file);
    const server = createServer();
    const bell = new Doorbell(address, server);
    server.on('connection', (socket) => bell.#welcome(socket, onRing));
    await new Promise<void>((done, fail) => {
      server.once('error', (error) =>
        fail(new StoreError(`cannot listen on ${address}: ${error.message}`, { cause: error })),
      );
      server.listen(address, done);
    });
    server.unref();
    if (process.platform !== 'win32') chmodSync(address, 0o600);
    return bell;
  }

  /** Takes the bell down. */
  async close(): Promise<void> {
    for (const visitor of this.#visitors) visitor.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
    removeBell(this.address);
  }

  #welcome(socket: Socket, onRing: (text: string) => void): void {
    this.#visitors.add(socket);
    socket.unref();
    socket.setEncoding('utf8');
    let rest = '';
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onRing(line);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#visitors.delete(socket));
  }
}

/** Rings others' bells, over connections that it keeps open. */
export class Ringer {
  readonly #lines = new Map<string, Line>();

  /** Rings a bell with a line of text; `gone` when nobody answers there any more. */
  async ring(address: string, text: string): Promise<Presence> {
    let line = this.#lines.get(address);
    if (line === undefined) {
      line = openLine(address, () => this.#lines.delete(address));
      this.#lines.set(address, line);
    }
    if (line.opening !== null && (await line.opening) === 'gone') return 'gone';
    line.socket.write(`${text}\n`);
    return 'there';
  }

  /** Hangs up, after what is being rung has been delivered. */
  async close(): Promise<void> {
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    for (const line of lines) {
      await line.opening;
      line.socket.end();
    }
  }
}

/** Removes what a bell leaves in the file system. */
export function removeBell(address: string): void {
  if (process.platform !== 'win32') rmSync(address, { force: true });
}

/** Whether anybody answers at this address. */
export function knock(address: string): Promise<Presence> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.unref();
    socket.once('connect', () => {
      socket.destroy();
      resolve('there');
    });
    socket.once('error', (error) => resolve(isGone(error) ? 'gone' : 'there'));
  });
}

/**
 * Stays connected to somebody and calls `onGone` when the connection breaks, which the kernel does at once when the
 * process dies. Returns a function that ends the watch.
 */
export function watchPresence(address: string, onGone: () => void): () => void {
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

interface Line {
  readonly socket: Socket;
  /** Null once it is open. */
  opening: Promise<Presence> | null;
}

function openLine(address: string, onClose: () => void): Line {
  const socket = connect(address);
  socket.unref();
  const opening = new Promise<Presence>((resolve) => {
    socket.once('connect', () => {
      line.opening = null;
      resolve('there');
    });
    socket.once('close', () => resolve('gone'));
  });
  const line: Line = { socket, opening };
  socket.on('error', () => {});
  socket.on('close', onClose);
  socket.resume();
  return line;
}

/** Refused: the socket's owner is dead. Missing: it left. Anything else (say, a full backlog) proves nothing. */
function isGone(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNREFUSED' || error.code === 'ENOENT' || error.code === 'ENOTSOCK';
}

/** A new socket's path: beside the store, or, where that would be too long, in a private folder of the system's. */
function socketPath(file: string): string {
  const name = `${randomBytes(6).toString('hex')}.sock`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\umbel-${name}`;
  const beside = `${file}-peers`;
  const folder = Buffer.byteLength(join(beside, name)) <= maxSocketPath ? beside : folderOf(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, name);
}

function folderOf(file: string): string {
  const name = createHash('sha256').update(file).digest('hex').slice(0, 12);
  return privateFolder(name, `remove it, or use a shorter path than ${file}`);
}
