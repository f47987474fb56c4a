// The three places of the chaos proofs, each with a server of its own for as long as a run takes.

import type * as Scripts from '../../../src/stores/redis/scripts.ts';
import { builtModule } from '../../e2e/harness/built.ts';
import { onRabbit, onRedis, type Place } from '../../e2e/harness/places.ts';
import { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { RedisServerProcess } from '../../servers/redis.ts';
import { luaFile } from '../../stores/redis/lua-file.ts';
import { until } from '../../until.ts';
import type { PlaceName } from './points.ts';

export interface ChaosPlace {
  readonly name: PlaceName;
  /** Null: a file in the trial's folder. */
  readonly server: Place | null;
  readonly ports: readonly number[];
  /** sha1 -> name of the scripts on Redis. */
  readonly scripts: Readonly<Record<string, string>>;
  /** What the store cannot rule out; see docs/reliability.md. */
  readonly tolerated: readonly string[];
  /** Cuts all connections to the server; null: there is none. */
  readonly cut: (() => Promise<void>) | null;
  /** Of the place, or of its results. */
  readonly redis: RedisServerProcess | null;
  readonly rabbit: { readonly server: RabbitServerProcess; readonly vhost: string } | null;
  /** What the servers keep beside results and what expires by itself, and who is connected. */
  inspect(): Promise<Inside>;
}

export interface Inside {
  /** Of Redis. */
  readonly keys: number;
  readonly clients: number;
  /** Of RabbitMQ. */
  readonly channels: number;
  readonly queues: number;
}

const nothing: Inside = { keys: 0, clients: 0, channels: 0, queues: 0 };

/** The servers of a place, and a fresh one of the place for each trial. */
export class Servers implements AsyncDisposable {
  readonly #name: PlaceName;
  #redis: RedisServerProcess | null = null;
  #rabbit: RabbitServerProcess | null = null;
  #scripts: Record<string, string> = {};

  private constructor(name: PlaceName) {
    this.#name = name;
  }

  static async start(name: PlaceName): Promise<Servers> {
    const servers = new Servers(name);
    if (name === 'sqlite') return servers;
    servers.#redis = await RedisServerProcess.start();
    if (name === 'rabbitmq') servers.#rabbit = await RabbitServerProcess.start();
    servers.#scripts = await scripts();
    return servers;
  }

  /** With nothing in it. */
  fresh(): ChaosPlace {
    const [redis, rabbit] = [this.#redis, this.#rabbit];
    const common = {
      name: this.#name,
      scripts: this.#scripts,
      cut: null,
      redis,
      rabbit: null,
      inspect: async () => nothing,
    };
    if (redis === null) return { ...common, server: null, ports: [], tolerated: [] };
    redis.cli('FLUSHALL');
    const inside = (): Inside => ({
      ...nothing,
      keys: Number(redis.cli('EVAL', lasting, '0')),
      clients: redis.cli('CLIENT', 'LIST').split('\n').length,
    });
    if (rabbit === null) {
      const cut = async (): Promise<void> => void redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
      const inspect = async (): Promise<Inside> => inside();
      return { ...common, server: onRedis(redis), ports: [redis.port], tolerated: [], inspect, cut };
    }
    // What follows a task is sent before it is acknowledged, and may be there twice after a fault; of two runs at a time the first
    // that ends is recorded. What comes back stands behind all that waits.
    const tolerated = ['unexplained', 'overBound', 'unfenced', 'lateRestart'];
    const server = onRabbit(rabbit, redis);
    const { vhost } = server;
    const cut = (): Promise<void> => rabbit.closeConnections(vhost);
    const inspect = async (): Promise<Inside> => {
      const channels = await rabbit.ask('-p', vhost, 'list_channels', 'pid');
      const queues = (await rabbit.queues(vhost)).length;
      return { ...inside(), channels: channels.split('\n').filter((line) => line !== '').length, queues };
    };
    return {
      ...common,
      server,
      ports: [rabbit.port],
      tolerated,
      inspect,
      cut,
      rabbit: { server: rabbit, vhost },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rabbit?.[Symbol.asyncDispose]();
    await this.#redis?.[Symbol.asyncDispose]();
  }
}

/** A replica of a place's Redis. Clients know both. */
export class Replica implements AsyncDisposable {
  readonly place: ChaosPlace;
  readonly #first: RedisServerProcess;
  readonly #second: RedisServerProcess;
  #turned = false;

  private constructor(place: ChaosPlace, first: RedisServerProcess, second: RedisServerProcess) {
    const both = (url: string): string => (url === first.url() ? `${url};${second.url()}` : url);
    const { server } = place;
    if (server === null) throw new TypeError('a place on Redis has a server');
    this.#first = first;
    this.#second = second;
    this.place = {
      ...place,
      server: { ...server, broker: both(server.broker), backend: both(server.backend) },
    };
  }

  static async of(place: ChaosPlace): Promise<Replica> {
    const { redis } = place;
    if (redis === null) throw new TypeError('there is no Redis');
    const second = await RedisServerProcess.start();
    const replica = new Replica(place, redis, second);
    // It is sent everything at once, and not after the seconds in which others might ask for it, too.
    redis.cli('CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
    second.cli('REPLICAOF', '127.0.0.1', String(redis.port));
    await replica.#isReplicated();
    return replica;
  }

  /** The one that may be written to. */
  get master(): RedisServerProcess {
    return this.#turned ? this.#second : this.#first;
  }

  /** The other takes over, with all that this one has; what looks into the place looks into the first. */
  async failOver(): Promise<void> {
    await this.#isReplicated();
    const other = this.#turned ? this.#first : this.#second;
    this.master.cli('FAILOVER', 'TO', '127.0.0.1', String(other.port));
    await until(() => other.cli('INFO', 'replication').includes('role:master'), 'the other has taken over');
    this.#turned = !this.#turned;
  }

  async #isReplicated(): Promise<void> {
    await until(
      () => this.master.cli('INFO', 'replication').includes('state=online'),
      'the other has it all',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#first.cli('REPLICAOF', 'NO', 'ONE');
    await this.#second[Symbol.asyncDispose]();
  }
}

/** Counts the keys that do not go by themselves. */
const lasting = `
local count = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TTL', key) < 0 and string.sub(key, 1, 17) ~= 'celery-task-meta-' then count = count + 1 end
end
return count`;

/** The scripts of the built package, by their sha1. */
async function scripts(): Promise<Record<string, string>> {
  const { luaScript } = await builtModule<typeof Scripts>('stores/redis/scripts');
  const names = [
    'send',
    'batch',
    'maintain',
    'join',
    'leave',
    'size',
    'peek',
    'purge',
    'replay-dead-letter',
    'dead-letters',
  ];
  return Object.fromEntries(names.map((name) => [luaScript(luaFile(`${name}.lua`)).sha, name]));
}
