// The messages that workers hold, and giving single ones back.
import { CannotReleaseError } from '../errors.ts';
import type { HeldMessage } from '../stores/held-messages.ts';
import type { App } from './app.ts';
import { checkLimit } from './list-limit.ts';
import type { HeldTask } from './queues.ts';

const maxHeld = 1_000;

/** @throws ConfigError, CannotReleaseError, BrokerUnavailable */
export async function heldTasks(app: App, queue: string, limit = 100): Promise<readonly HeldTask[]> {
  checkLimit(limit, 'held', maxHeld);
  const broker = await app.broker();
  if (broker.held === undefined) throw new CannotReleaseError(broker.name, queue);
  return (await broker.held(queue, limit)).map(heldTask);
}

function heldTask({ message, consumer, leaseEnds }: HeldMessage): HeldTask {
  const headers = message?.ok === true ? message.value.headers : {};
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return { id: text(headers.id), task: text(headers.task), worker: consumer, leaseEnds };
}

/** @throws CannotReleaseError, BrokerUnavailable */
export async function releaseTask(app: App, queue: string, id: string): Promise<boolean> {
  const broker = await app.broker();
  if (broker.releaseHeld === undefined) throw new CannotReleaseError(broker.name, queue);
  await app.audit.record('task.release', `${id} in ${queue}`);
  return (await broker.releaseHeld(queue, id)) > 0;
}
