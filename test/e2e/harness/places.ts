// Where the messages and results of a trial are, and how to look there past all of Umbel's code.
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisClient } from '@redis/client';
import { connect } from 'amqplib';
import type { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import type { RedisServerProcess } from '../../servers/redis.ts';
import type { Facts } from './checkers.ts';
import { idOf, type StoreFile, toResult } from './store.ts';

/** What is left, seen from outside. */
export interface View extends AsyncDisposable {
  /** How many messages there are that wait, are scheduled or are held by a worker. */
  messages(): Promise<number>;
  /** Their number is known some seconds late. */
  readonly lags?: boolean;
  /** For the checkers, when all workers have ended. */
  facts(): Promise<Facts>;
}

export interface Place {
  readonly name: string;
  readonly broker: string;
  readonly backend: string;
  look(): Promise<View>;
}

export class FileView implements View {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  async messages(): Promise<number> {
    return this.#file.messages();
  }

  async facts(): Promise<Facts> {
    return this.#file.facts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file[Symbol.dispose]();
  }
}

/** Messages in one database of a Redis, results in the same or another one. */
export function onRedis(server: RedisServerProcess, resultDb = 0): Place {
  return {
    name: resultDb === 0 ? 'Redis' : 'Redis, results in another database',
    broker: server.url(0),
    backend: server.url(resultDb),
    look: async () =>
      new RedisView(await RedisEye.open(server.url()), await RedisEye.open(server.url(resultDb))),
  };
}

/** Messages in RabbitMQ, in a virtual host of their own, results in a database of Redis. */
export function onRabbit(
  server: RabbitServerProcess,
  results: RedisServerProcess,
  resultDb = 0,
): RabbitPlace {
  const vhost = server.vhost();
  return {
    name: 'RabbitMQ, results in Redis',
    broker: server.url(vhost),
    backend: results.url(resultDb),
    vhost,
    look: async () => new RabbitView(server, vhost, await RedisEye.open(results.url(resultDb))),
  };
}

export interface RabbitPlace extends Place {
  readonly vhost: string;
}

/** Every message that there is, wherever it lies: lists, what workers hold, the schedule. */
const everyMessage = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local name = redis.call('TYPE', key).ok
  if name == 'list' then
    for _, each in ipairs(redis.call('LRANGE', key, 0, -1)) do all[#all + 1] = each end
  elseif name == 'hash' and string.sub(key, 1, 14) == 'umbel:claimed:' then
    for _, each in ipairs(redis.call('HVALS', key)) do all[#all + 1] = each end
  elseif name == 'zset' and string.sub(key, 1, 15) == 'umbel:schedule:' then
    for _, each in ipairs(redis.call('ZRANGE', key, 0, -1)) do all[#all + 1] = each end
  end
end
return all`;

const howMany = everyMessage.replace(/return all$/, 'return { tostring(#all) }');

const everyDeadLetter = `
local all = {}
for _, number in ipairs(redis.call('ZRANGE', 'umbel:dead', 0, -1)) do
  all[#all + 1] = redis.call('HGET', 'umbel:dead:' .. number, 'raw')
end
return all`;

const everyResult = `
local all = {}
for _, key in ipairs(redis.call('KEYS', 'celery-task-meta-*')) do all[#all + 1] = redis.call('GET', key) end
return all`;

/** What we use of a client. */
interface Client {
  eval(script: string): Promise<unknown>;
  destroy(): void;
}

/** The library's `createClient` makes a class of a thousand functions for each other URL. */
const createClient = RedisClient.factory();

/** One database, read with a client of our own. */
class RedisEye implements AsyncDisposable {
  readonly #client: Client;

  static async open(url: string): Promise<RedisEye> {
    const client = createClient({ url });
    client.on('error', () => undefined); // what is asked meanwhile fails, or waits until it is there again
    await client.connect();
    return new RedisEye(client);
  }

  private constructor(client: Client) {
    this.#client = client;
  }

  /** What a script returns: a list of texts. */
  async texts(script: string): Promise<string[]> {
    return (await this.#client.eval(script)) as string[]; // as ours do
  }

  async results(): Promise<Facts['results']> {
    const all = new Map<string, ReturnType<typeof toResult>>();
    for (const text of await this.texts(everyResult)) {
      const record: { readonly task_id?: string } = JSON.parse(text);
      if (record.task_id !== undefined) all.set(record.task_id, toResult(text)); // else it is of no task
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }
}

class RedisView implements View {
  readonly #messages: RedisEye;
  readonly #results: RedisEye;

  constructor(messages: RedisEye, results: RedisEye) {
    this.#messages = messages;
    this.#results = results;
  }

  async messages(): Promise<number> {
    return Number((await this.#messages.texts(howMany))[0]);
  }

  async facts(): Promise<Facts> {
    const ids = async (script: string): Promise<Set<string>> =>
      new Set((await this.#messages.texts(script)).map((text) => idOf(Buffer.from(text))));
    return {
      at: Date.now(),
      results: await this.#results.results(),
      dead: await ids(everyDeadLetter),
      waiting: await ids(everyMessage),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#messages[Symbol.asyncDispose]();
    await this.#results[Symbol.asyncDispose]();
  }
}

/** Each question costs a process, and the answer may be old: who asks again and again does so at this pace. */
const askEveryMs = 150;

class RabbitView implements View {
  /** Quorum queues, in which quarantined messages and what is early wait for their time, tell their length now and then. */
  readonly lags = true;
  readonly #server: RabbitServerProcess;
  readonly #vhost: string;
  readonly #results: RedisEye;

  constructor(server: RabbitServerProcess, vhost: string, results: RedisEye) {
    this.#server = server;
    this.#vhost = vhost;
    this.#results = results;
  }

  /** In all queues, those included in which messages wait for their time. */
  async messages(): Promise<number> {
    await sleep(askEveryMs);
    const queues = await this.#server.queues(this.#vhost);
    return queues.reduce((sum, { name, messages }) => sum + (name === 'umbel.dead' ? 0 : messages), 0);
  }

  async facts(): Promise<Facts> {
    // Those included in which messages wait for their time; not the mailboxes of workers.
    const kept = (await this.#server.queues(this.#vhost)).filter(({ durable }) => durable);
    const waiting: string[] = [];
    for (const { name } of kept) if (name !== 'umbel.dead') waiting.push(...(await this.#ids(name)));
    const isBuried = kept.some(({ name }) => name === 'umbel.dead');
    return {
      at: Date.now(),
      results: await this.#results.results(),
      dead: new Set(isBuried ? await this.#ids('umbel.dead') : []),
      waiting: new Set(waiting),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#results[Symbol.asyncDispose]();
  }

  /** Reads a queue on a connection that is closed afterwards, which puts everything back. */
  async #ids(queue: string): Promise<string[]> {
    const connection = await connect(this.#server.url(this.#vhost));
    connection.on('error', () => undefined); // who asks hears of it
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      const ids: string[] = [];
      for (;;) {
        const message = await channel.get(queue);
        if (message === false) return ids;
        ids.push(String(message.properties.headers?.id ?? message.properties.correlationId));
      }
    } finally {
      await connection.close().catch(() => undefined); // it may be closed already
    }
  }
}
