// The destination of a call: a queue, or an exchange. The rules are those of Celery's AMQP producer, with one more: a routing key without an
// exchange names a queue, where exchanges are direct.

import type { Topology } from '../config/queues.ts';
import type { QueueDeclaration } from '../stores/topology.ts';

/** The options of a call, or of a route, that decide its destination. */
export interface DestinationOptions {
  readonly queue?: string | undefined;
  readonly exchange?: string | undefined;
  readonly routingKey?: string | undefined;
}

interface Destination {
  /** The queue that was chosen, also where an exchange decides. */
  readonly queue: string;
  /** `''`: directly to the queue. */
  readonly exchange: string;
  readonly routingKey: string;
}

/**
 * @param task the task's own queue
 * @param standard the default queue
 * @throws ConfigError for a queue that is not declared, where only declared ones may be used
 */
export function destinationOf(
  call: DestinationOptions,
  route: DestinationOptions,
  task: string | null,
  standard: string,
  topology: Topology,
): Destination {
  const exchange = call.exchange ?? route.exchange ?? '';
  const key = call.routingKey ?? route.routingKey;
  const queue = topology.queue(call.queue ?? route.queue ?? task ?? standard);
  if (exchange !== '') {
    const isDirect = (topology.exchangeType(exchange) ?? ownType(queue)) === 'direct';
    if (key !== undefined || !isDirect)
      return { queue: queue.name, exchange, routingKey: key ?? ownKey(queue) };
    return straightTo(queue.name);
  }
  if (ownType(queue) !== 'direct')
    return { queue: queue.name, exchange: ownExchange(queue), routingKey: key ?? ownKey(queue) };
  const isKeyAlone =
    call.queue === undefined &&
    (call.routingKey !== undefined || (key !== undefined && route.queue === undefined));
  if (!isKeyAlone || key === undefined) return straightTo(queue.name);
  const shared = ownExchange(topology.queue(standard));
  const bound = topology.bound({ name: shared, routingKey: key });
  if (bound.length > 1) return { queue: queue.name, exchange: shared, routingKey: key };
  return straightTo(bound[0] ?? topology.queue(key).name);
}

function straightTo(queue: string): Destination {
  return { queue, exchange: '', routingKey: queue };
}

function ownType({ bindings }: QueueDeclaration): string {
  return bindings[0]?.exchange.type ?? 'direct';
}

function ownExchange({ bindings, name }: QueueDeclaration): string {
  return bindings[0]?.exchange.name ?? name;
}

/** A topic's pattern is sent as it is, as kombu does: no routing key can be made of it. */
function ownKey({ bindings, name }: QueueDeclaration): string {
  return bindings[0]?.routingKey ?? name;
}
