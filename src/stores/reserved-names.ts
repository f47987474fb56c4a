// Names that no queue may have. Under them stores keep other things (ours, Celery's, kombu's, RabbitMQ's), and a message to such a queue would
// break those. One list for all stores, so that an application may move from one to another.
import { ReservedNameError } from '../errors.ts';

const reserved: readonly (readonly [RegExp, string])[] = [
  [/^umbel[:._]/, 'Umbel keeps its own things there'],
  [/^_kombu\./, 'kombu keeps the bindings of exchanges there'],
  [/^celery-(?:task|taskset)-meta-/, 'Celery keeps results there'],
  [/^unacked(?:_index|_mutex)?$/, 'kombu keeps what Python workers hold there'],
  [/^celery_delayed_/, 'Celery keeps messages for later there'],
  [/^celeryev(?:\.|$)/, 'events of workers go there'],
  [/\.pidbox$/, 'it is the mailbox of remote control'],
  [/^amq\./, 'RabbitMQ keeps such names for itself'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: kombu puts these two between a queue and its priority.
  [/\x06\x16/, 'kombu writes priorities so'],
];

/** Names that passed the check. Bounded, since callers may invent names. */
const good = new Set<string>();

/** @throws ReservedNameError when the name is reserved */
export function checkQueueName(name: string): void {
  if (good.has(name)) return;
  const found = reservation(name);
  if (found !== undefined) throw new ReservedNameError(name, found[1]);
  if (good.size >= 1000) good.clear();
  good.add(name);
}

/** Whether no queue of tasks can have this name: mailboxes of remote control, queues of events, … */
export function isReservedName(name: string): boolean {
  return reservation(name) !== undefined;
}

function reservation(name: string): (typeof reserved)[number] | undefined {
  return reserved.find(([pattern]) => pattern.test(name));
}
