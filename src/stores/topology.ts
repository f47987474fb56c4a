// Exchanges, queues and bindings, in the terms of AMQP and of Celery's `task_queues`. Pure.

export type ExchangeType = 'direct' | 'topic' | 'fanout';

export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
}

/** A queue gets the messages that are sent to `exchange` with a key that fits `routingKey` (a pattern if the exchange is `topic`). */
export interface BindingDeclaration {
  readonly exchange: ExchangeDeclaration;
  readonly routingKey: string;
}

/** A queue as it is declared at the broker. Python and TypeScript programs must declare it alike. */
export interface QueueDeclaration {
  readonly name: string;
  /** The first is the queue's own binding: if its exchange is not direct, messages to the queue are sent there. */
  readonly bindings: readonly BindingDeclaration[];
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  /** RabbitMQ's `x-queue-type`; null leaves it out (classic). */
  readonly type: 'classic' | 'quorum' | null;
  /** RabbitMQ's `x-max-priority`; null: the queue has no priorities. */
  readonly maxPriority: number | null;
  /** Further arguments, verbatim: `x-dead-letter-exchange`, `x-message-ttl` (milliseconds), `x-max-length` … */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** The queue that Celery declares when only a name is given: with a direct exchange and a key of this name. */
export function plainQueue(name: string): QueueDeclaration {
  const node = nodeOf(name);
  const exchange = node === null ? name : directExchange;
  return {
    name,
    bindings: [{ exchange: { name: exchange, type: 'direct', durable: true }, routingKey: node ?? name }],
    durable: true,
    exclusive: false,
    autoDelete: false,
    type: null,
    maxPriority: null,
    arguments: {},
  };
}

const directExchange = 'C.dq2';
const directSuffix = '.dq2';

/** The queue of a single worker, by its node name: Celery's `worker_direct`. */
export function directQueue(node: string): string {
  return node + directSuffix;
}

/** The worker that a queue belongs to; null: it is no single worker's. */
export function nodeOf(queue: string): string | null {
  return queue.endsWith(directSuffix) && queue.includes('@') ? queue.slice(0, -directSuffix.length) : null;
}

/** Whether a message with `key` goes through a binding. In a topic `*` is one word, and `#` any number of words, or none. */
export function binds({ exchange, routingKey }: BindingDeclaration, key: string): boolean {
  if (exchange.type === 'fanout') return true;
  if (exchange.type === 'direct') return routingKey === key;
  return fits(routingKey.split('.'), key.split('.'));
}

function fits(pattern: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return words.length === 0;
  if (first === '#') return fits(rest, words) || (words.length > 0 && fits(pattern, words.slice(1)));
  return words.length > 0 && (first === '*' || first === words[0]) && fits(rest, words.slice(1));
}

/** What a transport needs to know of its application. */
export interface TransportOptions {
  /** The declared queues. */
  readonly queues: readonly QueueDeclaration[];
  /** The declaration of any other queue; default {@link plainQueue}. */
  readonly missing?: (name: string) => QueueDeclaration;
  /** The driver's own options (Celery's `broker_transport_options`), checked by the driver. */
  readonly driver: Readonly<Record<string, unknown>>;
}
