// Where the messages and results of a trial are, and how to look there past all of Umbel's code.
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
    look: async () => new RedisView(server, resultDb),
  };
}

/** Messages in RabbitMQ, results in Redis. */
export function onRabbit(server: RabbitServerProcess, results: RedisServerProcess): Place {
  const vhost = server.vhost();
  return {
    name: 'RabbitMQ, results in Redis',
    broker: server.url(vhost),
    backend: results.url(),
    look: async () => new RabbitView(server, vhost, results),
  };
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

class RedisView implements View {
  readonly #server: RedisServerProcess;
  readonly #resultDb: number;

  constructor(server: RedisServerProcess, resultDb: number) {
    this.#server = server;
    this.#resultDb = resultDb;
  }

  async messages(): Promise<number> {
    return this.#lines(0, everyMessage).length;
  }

  async facts(): Promise<Facts> {
    const ids = (lines: readonly string[]): Set<string> =>
      new Set(lines.map((line) => idOf(Buffer.from(line))));
    return {
      at: Date.now(),
      results: results(this.#lines(this.#resultDb, everyResult)),
      dead: ids(this.#lines(0, everyDeadLetter)),
      waiting: ids(this.#lines(0, everyMessage)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #lines(db: number, script: string): string[] {
    return lines(this.#server, db, script);
  }
}

class RabbitView implements View {
  /** Quorum queues, in which suspects and what is early wait for their time, tell their length now and then. */
  readonly lags = true;
  readonly #server: RabbitServerProcess;
  readonly #vhost: string;
  readonly #results: RedisServerProcess;

  constructor(server: RabbitServerProcess, vhost: string, results: RedisServerProcess) {
    this.#server = server;
    this.#vhost = vhost;
    this.#results = results;
  }

  /** In all queues, those included in which messages wait for their time. */
  async messages(): Promise<number> {
    const said = await this.#server.ask('-p', this.#vhost, 'list_queues', 'name', 'messages');
    const counts = said
      .split('\n')
      .map((row) => row.split('\t'))
      .filter(([name]) => name !== 'umbel.dead');
    return counts.reduce((sum, [, count]) => sum + (Number(count) || 0), 0);
  }

  async facts(): Promise<Facts> {
    const rows = (await this.#server.ask('-p', this.#vhost, 'list_queues', 'name', 'durable')).split('\n');
    const waiting: string[] = [];
    // Those included in which messages wait for their time; not the mailboxes of workers.
    for (const [name = '', durable] of rows.map((row) => row.split('\t')))
      if (durable === 'true' && name !== 'umbel.dead') waiting.push(...(await this.#ids(name)));
    return {
      at: Date.now(),
      results: results(lines(this.#results, 0, everyResult)),
      dead: new Set(await this.#ids('umbel.dead')),
      waiting: new Set(waiting),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Reads a queue on a connection that is closed afterwards, which puts everything back. */
  async #ids(queue: string): Promise<string[]> {
    const connection = await connect(this.#server.url(this.#vhost));
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      if (queue === 'umbel.dead') await channel.assertQueue(queue, { durable: true });
      const ids: string[] = [];
      for (;;) {
        const message = await channel.get(queue);
        if (message === false) return ids;
        ids.push(String(message.properties.headers?.id ?? message.properties.correlationId));
      }
    } finally {
      await connection.close();
    }
  }
}

function lines(server: RedisServerProcess, db: number, script: string): string[] {
  const text = server.cli('-n', String(db), '--raw', 'EVAL', script, '0');
  return text === '' ? [] : text.split('\n');
}

function results(texts: readonly string[]): Facts['results'] {
  const all = new Map<string, ReturnType<typeof toResult>>();
  for (const text of texts) {
    const record: { readonly task_id?: string } = JSON.parse(text);
    if (record.task_id !== undefined) all.set(record.task_id, toResult(text)); // else it is of no task
  }
  return all;
}
