// The names of keys in Redis: kombu's for data shared with Python, ours (`umbel:…`) for the rest.

/** kombu's separator between a queue's name and its priority step, and within a binding. */
export const separator = '\x06\x16';

/** The highest step that is not above the priority. kombu's priorities are 0 to 9. */
export function stepOf(priority: number, steps: readonly number[]): number {
  let step = steps[0] ?? 0;
  for (const each of steps) if (each <= Math.min(9, Math.max(0, priority))) step = each;
  return step;
}

/** kombu's list of a queue's messages of one step. */
export function listKey(prefix: string, queue: string, step: number): string {
  return step === 0 ? prefix + queue : prefix + queue + separator + step;
}

/** kombu's set of an exchange's bindings. */
export function bindingKey(prefix: string, exchange: string): string {
  return `${prefix}_kombu.binding.${exchange}`;
}

/** Consumers by the end of their lease (milliseconds since 1970, the server's clock). */
export const consumersKey = (prefix: string): string => `${prefix}umbel:consumers`;

/** Evicted consumers, by the time until which a blocking read may still take a message for them. */
export const evictedKey = (prefix: string): string => `${prefix}umbel:evicted`;

/** Data about a consumer. */
export const consumerKey = (prefix: string, id: string): string => `${prefix}umbel:consumer:${id}`;

/** The messages that a consumer holds. */
export const claimedKey = (prefix: string, id: string): string => `${prefix}umbel:claimed:${id}`;

/** The list to which a waiting consumer's next message of one queue and step is moved. */
export function takenKey(prefix: string, consumer: string, queue: string, step: number): string {
  return `${prefix}umbel:taken:${consumer}:${step}:${queue}`;
}

/** Names of queues that Umbel has used. */
export const queuesKey = (prefix: string): string => `${prefix}umbel:queues`;

/** The note that a message was sent, kept for a while, where no record of its task says so. */
export const sentKey = (prefix: string, id: string): string => `${prefix}umbel:sent:${id}`;

/** Messages of a queue that wait for their time, by it. */
export const scheduleKey = (prefix: string, queue: string): string => `${prefix}umbel:schedule:${queue}`;

/** Ready messages of a queue whose owners died twice. */
export const quarantineKey = (prefix: string, queue: string): string => `${prefix}umbel:quarantine:${queue}`;
