// The three places of the chaos proofs, each with a server of its own for as long as a run takes.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../e2e/harness/built.ts';
import { onRabbit, onRedis, type Place } from '../../e2e/harness/places.ts';
import { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { RedisServerProcess } from '../../servers/redis.ts';
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

/** Counts the keys that do not go by themselves. */
const lasting = `
local count = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TTL', key) < 0 and string.sub(key, 1, 17) ~= 'celery-task-meta-' then count = count + 1 end
end
return count`;

/** The scripts of the built package, by their sha1. */
async function scripts(): Promise<Record<string, string>> {
  const url = pathToFileURL(join(root, 'build', 'src', 'stores', 'redis', 'scripts.js')).href;
  const { luaScript }: { luaScript(name: string): { readonly sha: string } } = await import(url);
  const names = ['send', 'turn', 'tend', 'join', 'leave', 'size', 'scheduled', 'purge', 'exhume', 'letters'];
  return Object.fromEntries(names.map((name) => [luaScript(name).sha, name]));
}
