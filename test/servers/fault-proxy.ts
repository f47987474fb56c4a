// A bad network between a client and a server, on the loopback: slow, narrow, silent, cut, reset; and one that loses exactly the
// n-th request, or the answer to it after the server has acted.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Framing, framing, type Protocol, type Unit } from './framing.ts';

/** `request`: what clients say. `reply`: what the server says. */
export type Direction = 'request' | 'reply';

/** What is to be lost, and whether it was. */
export interface Loss {
  /** What was lost, for people; null while it has not come. */
  readonly lost: string | null;
  /** What was counted so far. */
  readonly seen: number;
  /** Loses nothing any more. */
  cancel(): void;
}

/** How bad the network is; for all connections, or for one. */
export interface Weather {
  /** For each direction, milliseconds. */
  latencyMs?: number;
  /** For each direction of each connection. */
  bytesPerSecond?: number;
  /** Taken and forwarded to nobody, though the connection stands. */
  silent?: readonly Direction[];
}

export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  /** Connections that come are ended at once. */
  isRefusing = false;
  /** Of all connections, also those that come. */
  weather: Weather = {};
  readonly #server: Server;
  readonly #target: number;
  readonly #protocol: Protocol;
  readonly #connections = new Set<ProxiedConnection>();
  #losses: CountedLoss[] = [];

  private constructor(server: Server, port: number, target: number, protocol: Protocol) {
    this.#server = server;
    this.port = port;
    this.#target = target;
    this.#protocol = protocol;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Stands before this port of the loopback. Of `bytes` nothing is understood: each piece that comes is one. */
  static async before(target: number, protocol: Protocol = 'bytes'): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new FaultProxy(server, address.port, target, protocol);
  }

  /** Those that stand, the oldest first. */
  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** Ends all connections: `end` as a server that goes, `reset` as a machine that forgot them. */
  cut(how: 'end' | 'reset'): void {
    for (const connection of this.#connections) connection.cut(how);
  }

  /** Everything is well from now on. What was swallowed stays so: a connection that missed something is as dead as it was. */
  heal(): void {
    this.weather = {};
    this.isRefusing = false;
    for (const loss of this.#losses) loss.cancel();
    this.#losses = [];
  }

  /**
   * Loses the n-th (from 1) of all that is said in this direction from now on, on whatever connection it comes, and cuts
   * that connection. A lost reply was given: the server has acted. A lost request never came to it. With `named` only what
   * has this in its name is counted.
   */
  lose(what: Direction, nth: number, named = ''): Loss {
    const loss = new CountedLoss(what, nth, named);
    this.#losses.push(loss);
    return loss;
  }

  /** Forwards so many bytes more on each connection that stands, then cuts it: in the middle of a word, perhaps. */
  tear(what: Direction, afterBytes: number): void {
    for (const connection of this.#connections) connection.tear(what, afterBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut('reset');
    await closed;
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.isRefusing) {
      client.destroy();
      return;
    }
    const connection: ProxiedConnection = new ProxiedConnection(client, this.#target, this.#protocol, {
      weather: () => this.weather,
      isLost: (what, unit) => this.#losses.some((loss) => loss.counts(what, unit)),
      onClose: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

interface Surroundings {
  weather(): Weather;
  isLost(what: Direction, unit: Unit): boolean;
  onClose(): void;
}

export class ProxiedConnection {
  /** Beside that of the proxy, for this one only. */
  weather: Weather = {};
  /** Bytes that went into silence. */
  swallowed = 0;
  /** Bytes that were taken and are forwarded, perhaps later. */
  forwarded = 0;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #surroundings: Surroundings;
  readonly #tears: Partial<Record<Direction, number>> = {};
  /** What missed something says nothing any more, as a TCP connection does not: nobody hears the second half of a word. */
  readonly #dead = new Set<Direction>();
  readonly #protocol: Protocol;
  readonly #asked: string[] = [];
  #isCut = false;

  constructor(client: Socket, target: number, protocol: Protocol, surroundings: Surroundings) {
    this.#client = client;
    this.#server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.#surroundings = surroundings;
    this.#protocol = protocol;
    this.#pipe('request', client, this.#server, framing(protocol));
    this.#pipe('reply', this.#server, client, framing(protocol));
    const over = (): void => this.cut('end');
    for (const socket of [client, this.#server]) {
      socket.on('error', over);
      socket.on('close', () => {
        if (client.destroyed && this.#server.destroyed) surroundings.onClose();
      });
    }
  }

  cut(how: 'end' | 'reset'): void {
    this.#isCut = true;
    for (const socket of [this.#client, this.#server]) {
      if (socket.destroyed) continue;
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroySoon(); // what was forwarded before arrives
    }
  }

  /** See {@link FaultProxy.tear}. */
  tear(what: Direction, afterBytes: number): void {
    this.#tears[what] = afterBytes;
  }

  #pipe(what: Direction, from: Socket, to: Socket, units: Framing): void {
    const line = new Line(to);
    from.on('data', (chunk) => {
      for (const unit of units.push(chunk)) {
        if (this.#isCut) return;
        if (this.#surroundings.isLost(what, this.#named(what, unit))) {
          // What was said before it still arrives.
          line.end(() => this.cut('end'), this.#latencyMs());
          this.#isCut = true;
          return;
        }
        this.#forward(what, unit.bytes, line);
      }
    });
    from.on('end', () => {
      if (!this.#isSilent(what)) line.end(() => to.end(), this.#latencyMs());
    });
  }

  /** A reply of Redis does not say what it answers; they come in the order of the requests, pushes apart. */
  #named(what: Direction, unit: Unit): Unit {
    if (this.#protocol !== 'redis') return unit;
    if (what === 'request') {
      if (!unit.name.includes('SUBSCRIBE')) this.#asked.push(unit.name);
      return unit;
    }
    return { ...unit, name: unit.name === '>' ? 'a push' : `the answer to ${this.#asked.shift()}` };
  }

  #forward(what: Direction, bytes: Buffer, line: Line): void {
    if (this.#isSilent(what)) {
      this.#dead.add(what);
      this.swallowed += bytes.length;
      return;
    }
    const [all, own] = [this.#surroundings.weather(), this.weather];
    const left = this.#tears[what];
    const allowed = left === undefined ? bytes : bytes.subarray(0, left);
    if (left !== undefined) this.#tears[what] = left - allowed.length;
    const rate = Math.min(
      all.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      own.bytesPerSecond ?? Number.POSITIVE_INFINITY,
    );
    this.forwarded += allowed.length;
    line.say(allowed, this.#latencyMs(), rate);
    if (allowed.length === bytes.length) return;
    line.end(() => this.cut('reset'), this.#latencyMs());
    this.#isCut = true;
  }

  #isSilent(what: Direction): boolean {
    if (this.#dead.has(what)) return true;
    return [this.#surroundings.weather(), this.weather].some(({ silent }) => silent?.includes(what));
  }

  #latencyMs(): number {
    return (this.#surroundings.weather().latencyMs ?? 0) + (this.weather.latencyMs ?? 0);
  }
}

/** One direction of one connection: what is said arrives in order, late. */
class Line {
  readonly #to: Socket;
  readonly #waiting: { readonly at: number; readonly arrive: () => void }[] = [];
  /** When the last of what was said has passed the narrow place. */
  #busyUntil = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(to: Socket) {
    this.#to = to;
    to.on('close', () => {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#waiting.length = 0;
    });
  }

  say(bytes: Buffer, latencyMs: number, bytesPerSecond: number): void {
    this.#busyUntil = Math.max(this.#busyUntil, performance.now()) + (1000 * bytes.length) / bytesPerSecond;
    this.#at(this.#busyUntil + latencyMs, () => {
      if (this.#to.writable) this.#to.write(bytes);
    });
  }

  end(arrive: () => void, latencyMs: number): void {
    this.#at(Math.max(this.#busyUntil, performance.now()) + latencyMs, arrive);
  }

  #at(at: number, arrive: () => void): void {
    if (this.#waiting.length === 0 && at <= performance.now()) arrive();
    else {
      // Better weather does not let it overtake.
      this.#waiting.push({ at: Math.max(at, this.#waiting.at(-1)?.at ?? 0), arrive });
      this.#timer ??= setTimeout(this.#arrive, Math.max(0, at - performance.now()));
    }
  }

  readonly #arrive = (): void => {
    this.#timer = null;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined) return;
      const inMs = next.at - performance.now();
      if (inMs > 0) {
        this.#timer = setTimeout(this.#arrive, Math.ceil(inMs));
        return;
      }
      this.#waiting.shift();
      next.arrive();
    }
  };
}

class CountedLoss implements Loss {
  readonly #what: Direction;
  readonly #nth: number;
  readonly #named: string;
  #isOver = false;
  seen = 0;
  lost: string | null = null;

  constructor(what: Direction, nth: number, named: string) {
    this.#what = what;
    this.#nth = nth;
    this.#named = named;
  }

  /** Whether it is this one. */
  counts(what: Direction, { name, idle }: Unit): boolean {
    if (this.#isOver || what !== this.#what || idle || !name.includes(this.#named)) return false;
    this.seen++;
    if (this.seen !== this.#nth) return false;
    this.#isOver = true;
    this.lost = name;
    return true;
  }

  cancel(): void {
    this.#isOver = true;
  }
}
