// Opens the history for a recorder that runs until it is stopped.
import type { App } from '../app/app.ts';
import { openHistoryOf } from '../app/history-work.ts';
import { BrokerUnavailable } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import type { HistoryStore } from '../stores/history-store.ts';

const retryPolicy = { factor: 500, maximum: 5_000, jitter: false } as const;

/** Waits for a store that is away. Null: the signal was aborted first. @throws ConfigError, StoreError */
export function openedHistory(app: App, logger: Logger, signal: AbortSignal): Promise<HistoryStore | null> {
  return retrying(() => openHistoryOf(app.config), {
    policy: retryPolicy,
    clock: systemClock,
    signal,
    when: (error) => error instanceof BrokerUnavailable,
    log: (error) =>
      logger.error({ err: error }, `the history cannot be opened yet; the recorder waits: ${error}`),
  });
}
