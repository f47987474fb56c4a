import { requestMessage } from '../protocol/control.ts';
import type { RevokeResultOptions } from '../results/async-result.ts';
import { checkRevocations, taskRevocation } from '../stores/fanout.ts';
import type { App } from './app.ts';

/** As Celery's CELERY_WORKER_REVOKES_EXPIRES, milliseconds. */
const keptMs = 10_800_000;

/** Revokes tasks and does not wait for replies: `result.revoke()`. `Control.revoke` gathers the workers' replies. @throws BrokerUnavailable */
export async function revokeTasks(
  app: App,
  ids: readonly string[],
  { terminate = false, signalName = 'SIGTERM' }: RevokeResultOptions,
): Promise<void> {
  const { revocations, fanout } = await app.broker();
  // Stored before it is broadcast, for workers that are away now.
  await revocations.put(checkRevocations(ids.map(taskRevocation)), Date.now() + keptMs);
  const request = {
    method: 'revoke',
    arguments: { task_id: [...ids], terminate, signal: signalName },
    destination: null,
    pattern: null,
    matcher: null,
    reply: null,
    clock: 0, // no time is known
  };
  const { control } = app.exchanges;
  await fanout.publish(control, '', requestMessage(control.name, request, 0));
}
