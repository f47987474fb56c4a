// Subscribing to broadcasts, as soon as the broker allows it.
import type { Clock } from '../lib/clock.ts';
import { retrying } from '../lib/retry.ts';
import type { Fanout, FanoutListener, Subscription } from '../stores/fanout.ts';

interface SubscribeRules {
  readonly clock: Clock;
  /** Ends the attempts. */
  readonly signal: AbortSignal;
  /** Called at the first refusal; then it is retried. */
  readonly onRefused: (error: unknown) => void;
}

const retries = { factor: 200, maximum: 10_000, jitter: true } as const;

/** Null: `signal` was aborted first. Never rejects. */
export async function subscribeWithRetry(
  fanout: Fanout,
  subscription: Subscription,
  listener: FanoutListener,
  { clock, signal, onRefused }: SubscribeRules,
): Promise<AsyncDisposable | null> {
  const subscribe = async (): Promise<AsyncDisposable | null> => {
    const listening = await fanout.subscribe(subscription, listener);
    if (!signal.aborted) return listening;
    await listening[Symbol.asyncDispose]();
    return null;
  };
  let wasRefused = false;
  const log = (error: unknown): void => {
    if (!wasRefused) onRefused(error);
    wasRefused = true;
  };
  return retrying(subscribe, { policy: retries, clock, signal, log });
}
