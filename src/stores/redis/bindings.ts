// The queues of an exchange: kombu's table of bindings, which Python programs read and write, too.

import { BrokerUnavailable, UnroutableError } from '../../errors.ts';
import { timedTest } from '../../lib/timed-regex.ts';
import { checkQueueName, isReservedName } from '../reserved-names.ts';
import type { ExchangeDeclaration, QueueDeclaration } from '../topology.ts';
import { plainQueue } from '../topology.ts';
import type { ExchangeAddress, PublishOptions } from '../transport.ts';
import { bind } from './bind.ts';
import { type RedisConnection, ReplyLost } from './client/connection.ts';
import { reading } from './client/repeat.ts';
import { bindingKey, queuesKey, separator } from './keys.ts';

export class Bindings {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #declared: ReadonlyMap<string, QueueDeclaration>;
  readonly #exchanges = new Map<string, ExchangeDeclaration>();
  readonly #done = new Set<string>();

  constructor(connection: RedisConnection, queues: readonly QueueDeclaration[]) {
    this.#connection = connection;
    this.#prefix = connection.settings.keyPrefix;
    this.#declared = new Map(queues.map((queue) => [queue.name, queue]));
    for (const { bindings } of queues)
      for (const { exchange } of bindings) this.#exchanges.set(exchange.name, exchange);
  }

  isDeclared(queue: string): boolean {
    return this.#done.has(queue);
  }

  /** Writes a queue's bindings, as Celery does before its first use of the queue. */
  async declare(queue: string, options: PublishOptions = {}): Promise<void> {
    if (this.#done.has(queue)) return;
    checkQueueName(queue);
    const { bindings } = this.#declared.get(queue) ?? plainQueue(queue);
    await Promise.all([
      bind(this.#connection, queuesKey(this.#prefix), [queue], options),
      ...bindings.map(({ exchange, routingKey }) => {
        const pattern = exchange.type === 'topic' ? toPattern(routingKey) : '';
        const member = [routingKey, pattern, queue].join(separator);
        return bind(this.#connection, bindingKey(this.#prefix, exchange.name), [member], options);
      }),
    ]);
    this.#done.add(queue);
  }

  /** The queues that get the exchange's messages with this key. @throws UnroutableError */
  async route(
    { name, routingKey }: ExchangeAddress,
    options: PublishOptions = {},
  ): Promise<readonly string[]> {
    await Promise.all([...this.#declared.keys()].map((queue) => this.declare(queue, options)));
    const members = await this.#ask(['SMEMBERS', bindingKey(this.#prefix, name)], options);
    const type = this.#exchanges.get(name)?.type;
    const queues = new Set<string>();
    for (const member of Array.isArray(members) ? members : []) {
      const [key = '', pattern = '', queue = ''] = String(member).split(separator);
      const fits =
        type === 'fanout' || (pattern === '' ? key === routingKey : matches(pattern, key, routingKey));
      if (fits && queue !== '') queues.add(queue);
    }
    // Anybody who may write to the broker can write a binding.
    for (const queue of queues) checkQueueName(queue);
    if (queues.size === 0)
      throw new UnroutableError(
        `no queue is bound to the exchange '${name}' for the key '${routingKey}'; declare one in taskQueues`,
      );
    return [...queues];
  }

  /** Reads bindings. A lost answer is no SendUnconfirmed: no message was sent yet. */
  async #ask(command: readonly string[], { timeoutMs, signal }: PublishOptions): Promise<unknown> {
    try {
      return await this.#connection.call(command, { timeoutMs, signal });
    } catch (error) {
      if (error instanceof ReplyLost) throw new BrokerUnavailable(error.message, { cause: error });
      throw error;
    }
  }

  /** Names of queues of tasks that programs on this Redis have bound: the mailboxes of remote control are bound, too, and left out. */
  async names(): Promise<readonly string[]> {
    const names = new Set<string>();
    const add = (members: unknown): void => {
      for (const member of members instanceof Set || Array.isArray(members) ? members : [])
        names.add(String(member).split(separator).at(-1) ?? '');
    };
    const ask = (command: readonly string[]): Promise<unknown> =>
      reading(this.#connection, (timeoutMs) => this.#connection.call(command, { timeoutMs }));
    add(await ask(['SMEMBERS', queuesKey(this.#prefix)]));
    const pattern = `${bindingKey(this.#prefix, '').replace(/[\\*?[\]]/g, '\\$&')}*`;
    let cursor = '0';
    do {
      const reply = await ask(['SCAN', cursor, 'MATCH', pattern, 'TYPE', 'set', 'COUNT', '5000']);
      if (!Array.isArray(reply)) break;
      cursor = String(reply[0]);
      const keys: readonly unknown[] = Array.isArray(reply[1]) ? reply[1] : [];
      for (const key of keys) add(await ask(['SMEMBERS', String(key)]));
    } while (cursor !== '0');
    return [...names].filter((name) => name !== '' && !isReservedName(name)).sort();
  }
}

/** kombu's regular expression for a topic's binding, which differs from AMQP's. */
function toPattern(routingKey: string): string {
  const words = routingKey
    .split('.')
    .map((word) => (word === '*' ? '.*?[^\\.]' : word === '#' ? '.*?' : word));
  return `^${words.join('\\.')}$`;
}

function matches(pattern: string, key: string, routingKey: string): boolean {
  if (key === routingKey) return true;
  const isOurs = pattern === toPattern(key) && (key.match(/[*#]/g)?.length ?? 0) <= 3;
  // Anybody who may write to the broker can write another pattern, which may take for ever.
  return isOurs ? new RegExp(pattern).test(routingKey) : timedTest(pattern, '', routingKey);
}
