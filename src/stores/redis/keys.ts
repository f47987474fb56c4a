// The names of things in Redis: kombu's for what is shared with Python, ours (`umbel:…`) for the rest.

/** Between a queue's name and its priority step, and within a binding. kombu's. */
export const separator = '\x06\x16';

/** The highest step that is not above the priority, which kombu takes to be 0 to 9. */
export function stepOf(priority: number, steps: readonly number[]): number {
  let step = steps[0] ?? 0;
  for (const each of steps) if (each <= Math.min(9, Math.max(0, priority))) step = each;
  return step;
}

/** The list that holds a queue's messages of one step. kombu's. */
export function listKey(prefix: string, queue: string, step: number): string {
  return step === 0 ? prefix + queue : prefix + queue + separator + step;
}

/** The set of an exchange's bindings. kombu's. */
export function bindingKey(prefix: string, exchange: string): string {
  return `${prefix}_kombu.binding.${exchange}`;
}

/** Consumers by the end of their lease (milliseconds, the server's clock). */
export const consumersKey = (prefix: string): string => `${prefix}umbel:consumers`;

/** Those whose lease has ended, by the time until which a blocking read may still take something for them. */
export const evictedKey = (prefix: string): string => `${prefix}umbel:evicted`;

/** What is known of a consumer. */
export const consumerKey = (prefix: string, id: string): string => `${prefix}umbel:consumer:${id}`;

/** What a consumer holds. */
export const claimedKey = (prefix: string, id: string): string => `${prefix}umbel:claimed:${id}`;

/** Where a waiting consumer's next message of one queue and step is moved to. */
export function takenKey(prefix: string, consumer: string, queue: string, step: number): string {
  return `${prefix}umbel:taken:${consumer}:${step}:${queue}`;
}

/** Names of queues that were used from here. */
export const queuesKey = (prefix: string): string => `${prefix}umbel:queues`;

/** Remembers for a while that a message was sent, where no record of its task does. */
export const sentKey = (prefix: string, id: string): string => `${prefix}umbel:sent:${id}`;
