// Connecting to the broker: a worker may start before its broker, and logs when the broker goes and comes back.

import type { App } from '../app/app.ts';
import { BrokerUnavailable } from '../errors.ts';
import type { Backoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import type { Stores } from '../sending/sending-app.ts';
import { type Pause, type PauseStore, pausesOf } from '../stores/pauses.ts';
import { storeNamed } from '../stores/registry.ts';
import type { ConsumeOptions, Consumer, Transport, TransportStatus } from '../stores/transport.ts';
import { queuesIn } from './pauses.ts';
import { logSameName } from './same-name.ts';
import { EmptyConsumer } from './sources.ts';

interface ConnectRules {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the worker is stopped. */
  readonly signal: AbortSignal;
}

/** A worker's connection to its stores. */
export interface ConnectedStores {
  readonly stores: Stores;
  readonly source: Consumer;
  /** Null: no store keeps pauses. */
  readonly pauseStore: PauseStore | null;
  /** What is paused: the source does not serve it. */
  readonly paused: readonly Pause[];
  /** Stops listening to the broker's status. */
  readonly unsubscribe: () => void;
}

/** Milliseconds. */
const retries: Backoff = { factor: 200, maximum: 5000, jitter: true };

/**
 * Opens the stores and registers the worker. Waits for a broker that is away, as Celery does at its start. `null`: the worker was
 * stopped meanwhile.
 * @throws errors that waiting does not resolve: wrong settings, a damaged store, a file that cannot be opened
 */
export async function connectStores(
  app: App,
  options: ConsumeOptions,
  { clock, logger, signal }: ConnectRules,
): Promise<ConnectedStores | null> {
  const connect = async (failures: number): Promise<ConnectedStores | null> => {
    let unsubscribe = (): void => undefined;
    const join = async (): Promise<ConnectedStores> => {
      const stores = await app.open();
      unsubscribe = logStatusChanges(stores.transport, logger); // before registering, which may wait
      await warnOfSameName(stores, options.name, logger);
      // Before the first claim: a worker that does not know what is paused must not take anything.
      const pauseStore = await pausesOf(stores);
      const paused = (await pauseStore?.read()) ?? [];
      const closed = queuesIn(paused);
      const queues = options.queues.filter((queue) => !closed.has(queue));
      const source =
        queues.length === 0 ? new EmptyConsumer() : await stores.transport.consume({ ...options, queues });
      return { stores, source, pauseStore, paused, unsubscribe };
    };
    try {
      const connected = await unless(signal, join(), (late) => leave(late));
      if (connected === null) unsubscribe();
      else if (failures > 0) logger.info({ failures }, 'the broker is there');
      return connected;
    } catch (error) {
      unsubscribe();
      throw error;
    }
  };
  return retrying(connect, {
    policy: retries,
    clock,
    signal,
    when: (error) => error instanceof BrokerUnavailable && !isEmbedded(app),
    log: (error) => {
      const why = error instanceof Error ? error.message : String(error);
      logger.error({ err: error }, `cannot start yet: ${why}; retrying`);
    },
  });
}

/** Logs once when the broker goes, when it blocks, and when it comes back. Call the returned function to end this. */
function logStatusChanges(transport: Transport, logger: Logger): () => void {
  let lastState: TransportStatus['state'] = 'connected';
  const logChange = ({ state, reason }: TransportStatus): void => {
    // Without a reason this is only the first connecting.
    if (state === lastState || (state === 'reconnecting' && reason === null)) return;
    lastState = state;
    const about = { broker: transport.name, state };
    if (state === 'connected') logger.info(about, 'the broker is there again');
    else if (state === 'blocked') logger.warn(about, `the broker takes no messages now: ${reason}`);
    else logger.warn(about, `the broker is away: ${reason}; the worker waits for it`);
  };
  logChange(transport.status);
  return transport.onStatus(logChange);
}

function leave({ source, unsubscribe }: ConnectedStores): Promise<void> {
  unsubscribe();
  return source.close();
}

/** Warns where the store knows the names of its workers. On RabbitMQ the consumer of commands finds a worker of the same name. */
async function warnOfSameName({ transport }: Stores, name: string, logger: Logger): Promise<void> {
  const workers = await transport.fanout.workers().catch((error: unknown) => {
    if (error instanceof BrokerUnavailable) throw error;
    return null; // registering reports this error better
  });
  if (workers?.includes(name) === true) logSameName(name, logger);
}

/** Whether all stores are on this machine: a file that cannot be opened will not become usable by itself. */
function isEmbedded({ config: { broker, backend } }: App): boolean {
  return [broker, backend].every((url) => url === null || storeNamed(url)?.embedded === true);
}

/** The answer; or null when the signal comes first. An answer that comes after it is passed to `clear`. */
async function unless<T>(
  signal: AbortSignal,
  answer: Promise<T>,
  clear: (late: T) => Promise<void>,
): Promise<T | null> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<null>((resolve) => {
    stop = () => resolve(null);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    const first = await Promise.race([answer, stopped]);
    if (first === null) answer.then(clear).catch(() => undefined);
    return first;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
