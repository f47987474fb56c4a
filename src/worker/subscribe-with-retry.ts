// Listening to broadcasts: from the moment on in which the broker lets us.
import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Fanout, FanoutListener, Subscription } from '../stores/fanout.ts';

interface SubscribeRules {
  readonly clock: Clock;
  /** Gives up. */
  readonly signal: AbortSignal;
  /** Called at the first refusal; it is tried again. */
  readonly onRefused: (error: unknown) => void;
}

const retries = { factor: 200, maximum: 10_000, jitter: true } as const;

/** Null: `signal` came before. Never rejects. */
export async function subscribeWithRetry(
  fanout: Fanout,
  subscription: Subscription,
  listener: FanoutListener,
  { clock, signal, onRefused }: SubscribeRules,
): Promise<AsyncDisposable | null> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const listening = await fanout.subscribe(subscription, listener);
      if (!signal.aborted) return listening;
      await listening[Symbol.asyncDispose]();
    } catch (error) {
      if (failures === 0) onRefused(error);
      await clock.sleep(backoffDelay(retries, failures), signal).catch(() => undefined);
    }
  }
  return null;
}
