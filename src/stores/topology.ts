// Exchanges, queues and bindings, as AMQP has them and Celery's `task_queues` names them. Pure.

export type ExchangeType = 'direct' | 'topic' | 'fanout';

export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
}

/** A queue gets what is sent to `exchange` with a key that fits `routingKey` (a pattern where the exchange is `topic`). */
export interface BindingDeclaration {
  readonly exchange: ExchangeDeclaration;
  readonly routingKey: string;
}

/** A queue as it is declared at the broker. Both sides of a mixed fleet must declare it alike. */
export interface QueueDeclaration {
  readonly name: string;
  /** The first is the queue's own: what is sent to the queue by name is sent there when it is not direct. */
  readonly bindings: readonly BindingDeclaration[];
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  /** RabbitMQ's `x-queue-type`; null leaves it out (classic). */
  readonly type: 'classic' | 'quorum' | null;
  /** RabbitMQ's `x-max-priority`; null: the queue knows no priorities. */
  readonly maxPriority: number | null;
  /** Further arguments, verbatim: `x-dead-letter-exchange`, `x-message-ttl` (milliseconds), `x-max-length` … */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What Celery declares for a queue of which nothing is said: a direct exchange and a key of the same name. */
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

/** The queue of one worker alone, by its node name: Celery's `worker_direct`. */
export function directQueue(node: string): string {
  return node + directSuffix;
}

/** Whose alone a queue is; null: no single worker's. */
export function nodeOf(queue: string): string | null {
  return queue.endsWith(directSuffix) && queue.includes('@') ? queue.slice(0, -directSuffix.length) : null;
}

/** Whether a message with `key` goes through a binding. In a topic `*` is one word, `#` any number of them, none included. */
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

/** What a transport is told of its application. */
export interface TransportOptions {
  /** Queues of which more is said than their name. */
  readonly queues: readonly QueueDeclaration[];
  /** How any other queue is declared; default {@link plainQueue}. */
  readonly missing?: (name: string) => QueueDeclaration;
  /** The driver's own options (Celery's `broker_transport_options`), checked by the driver. */
  readonly driver: Readonly<Record<string, unknown>>;
}
