// The queues of an application by its settings (Celery's `task_queues`), and the queues to which an exchange leads.
import { ConfigError, UnroutableError } from '../errors.ts';
import { asGiven, check, duration, flag, integer, oneOf, orNull } from '../lib/checks.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { type Check, type Options, type Read, readValue, type Table } from '../lib/schema.ts';
import { suggest } from '../lib/suggest.ts';
import { checkQueueName } from '../stores/reserved-names.ts';
import {
  type BindingDeclaration,
  binds,
  directQueue,
  type ExchangeDeclaration,
  type ExchangeType,
  nodeOf,
  plainQueue,
  type QueueDeclaration,
} from '../stores/topology.ts';
import type { Broadcast, ExchangeAddress } from '../stores/transport.ts';
import { checkName, name, nameOrEmpty } from './checks.ts';
import { camel } from './spelling.ts';

/**
 * The queue that only the worker of this node name serves, if its App has `workerDirect: true` (Celery's `worker_direct`). Messages in it
 * wait for a worker of that name, also while there is none.
 * @throws ConfigError when `node` is not a node name
 * @example await warmUp.applyAsync([], { queue: workerDirect('celery@eu1') });
 */
export function workerDirect(node: string): string {
  if (typeof node === 'string' && /^[^@]+@[^@]+$/.test(node)) return directQueue(node);
  throw new ConfigError(`'${String(node)}' is no node name of a worker; write one like 'celery@host'`);
}

/** An exchange: its name, or an object with its options. */
export type ExchangeOptions =
  | string
  | { readonly name: string; readonly type?: ExchangeType; readonly durable?: boolean };

export const exchangeType: Check<ExchangeType> = check("'direct', 'topic' or 'fanout'", (value, what) => {
  if (value === 'direct' || value === 'topic' || value === 'fanout') return value;
  if (value !== 'headers') return undefined;
  throw new ConfigError(
    `${what} must be 'direct', 'topic' or 'fanout'; exchanges of the type 'headers' are not in this version`,
  );
});

const isMs = check<Duration, number>("seconds or text like '10m', not below 0", (value, what) => {
  const seconds = duration.accept(value, what);
  const ms = seconds === undefined ? undefined : Math.trunc(toMs(seconds));
  return ms !== undefined && ms >= 0 ? ms : undefined;
});

const isCount = integer(0, Number.MAX_SAFE_INTEGER);

const queueOptions = {
  /** The queue's name. */
  name,
  /** Default: `taskDefaultExchange` if that is set, else a direct exchange with the queue's name. */
  exchange: asGiven<ExchangeOptions>('an exchange'),
  /** Type of the exchange. Default: `taskDefaultExchangeType`. */
  exchangeType,
  /** The binding's key; for a topic exchange a pattern. Default: `taskDefaultRoutingKey` if that is set, else the queue's name. */
  routingKey: nameOrEmpty,
  /** Several bindings, instead of `exchange` and `routingKey`. The first has the queue's own exchange. */
  bindings:
    asGiven<readonly { readonly exchange: ExchangeOptions; readonly routingKey?: string }[]>('bindings'),
  /**
   * kombu's Broadcast: every worker that serves the queue gets every message, without acknowledgement. A worker that is away misses it. Its
   * `exchange` is a fanout, by default with the queue's name.
   */
  broadcast: flag,
  /** Default true. */
  durable: flag,
  /** Default false. */
  exclusive: flag,
  /** Default false. */
  autoDelete: flag,
  /** RabbitMQ's `x-queue-type`. */
  type: oneOf('classic', 'quorum'),
  /** RabbitMQ's `x-max-priority`; default `taskQueueMaxPriority`. */
  maxPriority: orNull(integer(1, 255)),
  /** RabbitMQ's `x-message-ttl`. */
  messageTtl: isMs,
  /** RabbitMQ's `x-expires`: an unused queue is deleted after this duration. */
  expires: isMs,
  /** RabbitMQ's `x-max-length`. */
  maxLength: isCount,
  /** RabbitMQ's `x-max-length-bytes`. */
  maxLengthBytes: isCount,
  /** Further arguments, verbatim: `{ 'x-dead-letter-exchange': 'dlx' }`. */
  queueArguments: check<Readonly<Record<string, unknown>>>('an object', record),
};

/** A queue as a user writes it. Names are those of kombu's Queue, in our spelling or kombu's (`routing_key`). */
export interface QueueOptions extends Options<typeof queueOptions> {
  /** The queue's name. */
  readonly name: string;
}

/** Celery's `task_queues`: a list of names and queues, or an object of queues by their names. */
export type Queues =
  | readonly (string | QueueOptions)[]
  | Readonly<Record<string, Omit<QueueOptions, 'name'>>>;

/** The settings for queues that `taskQueues` does not name, or does not describe completely. */
interface QueueDefaults {
  readonly taskDefaultQueue: string;
  readonly taskDefaultExchange: string | null;
  readonly taskDefaultExchangeType: ExchangeType;
  readonly taskDefaultRoutingKey: string | null;
  readonly taskDefaultQueueType: 'classic' | 'quorum';
  readonly taskCreateMissingQueueType: 'classic' | 'quorum';
  readonly taskQueueMaxPriority: number | null;
  readonly taskCreateMissingQueues: boolean;
}

export class Topology {
  /** The queues with more options than their name. */
  readonly declared: readonly QueueDeclaration[];
  /** The queues of `taskQueues`, in their order. */
  readonly named: readonly string[];
  readonly #queues = new Map<string, QueueDeclaration>();
  readonly #exchanges = new Map<string, ExchangeDeclaration>();
  readonly #missing = new Map<string, QueueDeclaration>();
  readonly #broadcasts = new Map<string, Broadcast>();
  readonly #defaults: QueueDefaults;

  /** @throws ConfigError for queues that are invalid, or contradict each other. */
  constructor(queues: Queues | null, defaults: QueueDefaults) {
    this.#defaults = defaults;
    for (const options of listed(queues)) {
      const queue = readQueue(options, defaults);
      this.#add(queue);
      if (options.broadcast === true) this.#addBroadcast(queue, options);
    }
    this.named = [...this.#queues.keys()];
    const own = defaults.taskDefaultQueue;
    if (!this.#queues.has(own)) this.#add(readQueue(defaultQueue(defaults), defaults));
    const plain = JSON.stringify(plainQueue(own));
    this.declared = [...this.#queues.values()].filter(
      (queue) => !this.#broadcasts.has(queue.name) && (queue.name !== own || JSON.stringify(queue) !== plain),
    );
  }

  /**
   * The declaration of a queue.
   * @throws ConfigError when `taskQueues` does not name the queue and `taskCreateMissingQueues` is false.
   */
  queue(name: string): QueueDeclaration {
    const queue = this.#queues.get(name);
    if (queue !== undefined) return queue;
    // As in Celery, a worker's own queue needs no declaration: its name follows from the worker's name.
    if (this.#defaults.taskCreateMissingQueues || nodeOf(name) !== null) return this.#undeclared(name);
    const hint = suggest(name, this.#queues.keys());
    throw new ConfigError(
      `there is no queue '${name}' in taskQueues${hint ? `; did you mean '${hint}'?` : ', and taskCreateMissingQueues is false'}`,
    );
  }

  /** The declaration of a queue that `taskQueues` does not name. */
  readonly missing = (name: string): QueueDeclaration => {
    const { taskQueueMaxPriority: maxPriority, taskCreateMissingQueueType } = this.#defaults;
    const type = taskCreateMissingQueueType === 'quorum' && nodeOf(name) === null ? 'quorum' : null;
    return { ...plainQueue(name), type, maxPriority };
  };

  /** Exchange and routing key of a broadcast queue; undefined: it is none. */
  broadcast(name: string): Broadcast | undefined {
    return this.#broadcasts.get(name);
  }

  /** The type of an exchange of `taskQueues`; undefined: it is not declared there. */
  exchangeType(name: string): ExchangeType | undefined {
    return this.#exchanges.get(name)?.type;
  }

  /** The queues of `taskQueues` that get the messages of this address. */
  bound({ name, routingKey }: ExchangeAddress): readonly string[] {
    return [...this.#queues.values()]
      .filter(({ bindings }) =>
        bindings.some((binding) => binding.exchange.name === name && binds(binding, routingKey)),
      )
      .map((queue) => queue.name);
  }

  /** The queues of `bound`. @throws UnroutableError when there is none. */
  route(address: ExchangeAddress): readonly string[] {
    const names = this.bound(address);
    if (names.length > 0) return names;
    const { name, routingKey } = address;
    throw new UnroutableError(
      this.#exchanges.has(name)
        ? `no queue is bound to the exchange '${name}' for the key '${routingKey}'; bind one in taskQueues`
        : `there is no exchange '${name}' in taskQueues, so no queue would have got the message`,
    );
  }

  #addBroadcast(queue: QueueDeclaration, options: QueueOptions): void {
    const [binding] = queue.bindings;
    const where = `the broadcast queue '${queue.name}' in taskQueues`;
    if (queue.name === this.#defaults.taskDefaultQueue)
      throw new ConfigError(
        `${where} cannot be the default queue: nothing would be kept for workers that are away`,
      );
    if (binding === undefined || options.bindings !== undefined)
      throw new ConfigError(`${where} has one exchange and no 'bindings'`);
    // Celery sends to broadcast queues, and binds them, with the default key.
    const { taskDefaultRoutingKey, taskDefaultQueue } = this.#defaults;
    const routingKey = options.routingKey ?? taskDefaultRoutingKey ?? taskDefaultQueue;
    this.#broadcasts.set(queue.name, { exchange: { ...binding.exchange, type: 'fanout' }, routingKey });
  }

  #undeclared(name: string): QueueDeclaration {
    const known = this.#missing.get(name);
    if (known !== undefined) return known;
    checkQueueName(name);
    const queue = this.missing(name);
    // Bounded, since callers may send to any number of queues.
    if (this.#missing.size >= 1000) this.#missing.clear();
    this.#missing.set(name, queue);
    return queue;
  }

  #add(queue: QueueDeclaration): void {
    checkQueueName(queue.name);
    if (this.#queues.has(queue.name)) throw new ConfigError(`taskQueues: '${queue.name}' occurs twice`);
    this.#queues.set(queue.name, queue);
    for (const { exchange } of queue.bindings) {
      const before = this.#exchanges.get(exchange.name);
      if (before !== undefined && before.type !== exchange.type) {
        throw new ConfigError(
          `taskQueues: the exchange '${exchange.name}' is ${before.type} for one queue and ${exchange.type} for '${queue.name}'; an exchange has one type`,
        );
      }
      this.#exchanges.set(exchange.name, exchange);
    }
  }
}

function listed(queues: Queues | null): readonly QueueOptions[] {
  if (queues === null) return [];
  if (Array.isArray(queues))
    return queues.map(
      (item: unknown, index) =>
        typeof item === 'string'
          ? { name: item }
          : (record(item, `taskQueues[${index}]`) as unknown as QueueOptions), // read in readQueue
    );
  return Object.entries(record(queues, 'taskQueues')).map(([name, options]) => ({
    ...record(options ?? {}, `taskQueues['${name}']`),
    name,
  }));
}

/** The default queue as Celery declares it: only `quorum` becomes an argument. */
function defaultQueue(defaults: QueueDefaults): QueueOptions {
  const { taskDefaultQueue: name, taskDefaultQueueType } = defaults;
  return { name, ...(taskDefaultQueueType === 'quorum' && { type: 'quorum' }) };
}

const limits = {
  messageTtl: 'x-message-ttl',
  expires: 'x-expires',
  maxLength: 'x-max-length',
  maxLengthBytes: 'x-max-length-bytes',
} as const;

function readQueue(given: QueueOptions, defaults: QueueDefaults): QueueDeclaration {
  const name = checkName(given.name, "a queue's name in taskQueues");
  const where = `the queue '${name}' in taskQueues`;
  const queue = readMembers(given, where);
  const args: Record<string, unknown> = { ...queue.queueArguments };
  for (const [member, argument] of Object.entries(limits)) {
    const value = queue[member as keyof typeof limits]; // keys of `limits`
    if (value !== undefined) args[argument] = value;
  }
  const type = queue.type ?? taken(args, 'x-queue-type') ?? null;
  const maxPriority = queue.maxPriority ?? taken(args, 'x-max-priority') ?? defaults.taskQueueMaxPriority;
  return {
    name,
    bindings: readBindings(queue, name, where, defaults),
    durable: queue.durable ?? true,
    exclusive: queue.exclusive ?? false,
    autoDelete: queue.autoDelete ?? false,
    type: type as QueueDeclaration['type'], // the broker refuses an unknown type
    // A quorum queue takes no x-max-priority: RabbitMQ refuses to declare it.
    maxPriority: type === 'quorum' ? null : (maxPriority as number | null), // checked by its row
    arguments: Object.freeze(args),
  };
}

function taken(args: Record<string, unknown>, name: string): unknown {
  const value = args[name];
  delete args[name];
  return value;
}

function readMembers(given: object, where: string): Partial<Read<typeof queueOptions>> {
  const table: Table = queueOptions;
  const read: Record<string, unknown> = {};
  for (const [spelled, value] of Object.entries(given)) {
    const member = camel(spelled);
    const row = Object.hasOwn(table, member) ? table[member] : undefined;
    if (row === undefined) {
      const hint = suggest(member, Object.keys(table));
      throw new ConfigError(
        `${where}: unknown option '${spelled}'${hint ? `; did you mean '${hint}'?` : ''}`,
      );
    }
    if (value !== undefined) read[member] = readValue(row, value, `'${spelled}' of ${where}`);
  }
  return read; // each value has been checked by its row
}

function readBindings(
  { exchange, exchangeType, routingKey, bindings, broadcast }: Partial<Read<typeof queueOptions>>,
  queue: string,
  where: string,
  defaults: QueueDefaults,
): readonly BindingDeclaration[] {
  const standardKey = defaults.taskDefaultRoutingKey ?? queue;
  if (bindings === undefined) {
    const own = exchange ?? (broadcast ? queue : (defaults.taskDefaultExchange ?? queue));
    const type = broadcast ? 'fanout' : (exchangeType ?? defaults.taskDefaultExchangeType);
    return [{ exchange: readExchange(own, type, where), routingKey: routingKey ?? standardKey }];
  }
  if (exchange !== undefined || routingKey !== undefined)
    throw new ConfigError(`${where} has 'bindings' and 'exchange' or 'routingKey'; say it in one place`);
  if (!Array.isArray(bindings) || bindings.length === 0)
    throw new ConfigError(
      `'bindings' of ${where} must be a list like [{ exchange: 'media', routingKey: 'video.#' }]`,
    );
  return bindings.map((item: unknown) => {
    const binding = new Map(
      Object.entries(record(item, `a binding of ${where}`)).map(([key, value]) => [camel(key), value]),
    );
    const key = binding.get('routingKey');
    return {
      exchange: readExchange(
        binding.get('exchange'),
        exchangeType ?? defaults.taskDefaultExchangeType,
        where,
      ),
      routingKey:
        key === undefined
          ? standardKey
          : readValue(nameOrEmpty, key, `'routingKey' in a binding of ${where}`),
    };
  });
}

function readExchange(given: unknown, type: ExchangeType, where: string): ExchangeDeclaration {
  const what = `'exchange' of ${where}`;
  if (typeof given === 'string') return { name: checkName(given, what), type, durable: true };
  const exchange = record(given, what);
  return {
    name: checkName(exchange.name, `the name of ${what}`),
    type: exchange.type === undefined ? type : readValue(exchangeType, exchange.type, `the type of ${what}`),
    durable:
      exchange.durable === undefined ? true : readValue(flag, exchange.durable, `'durable' of ${what}`),
  };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>; // just checked
  throw new ConfigError(`${what} must be an object`);
}
