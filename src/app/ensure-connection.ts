// Whether the stores of an application answer.
import type { Config } from '../config/config.ts';
import { BrokerUnavailable } from '../errors.ts';
import { withDeadline } from '../lib/deadline.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Transport } from '../stores/transport.ts';

interface ConnectingApp {
  readonly config: Pick<Config, 'taskDefaultQueue'>;
  broker(): Promise<Transport>;
  backend(): Promise<ResultBackend | null>;
}

export interface EnsureConnectionOptions {
  /** How long to wait for the answers of both. Default 5 s. */
  readonly timeout?: Duration;
}

/** What both are asked for. It need not exist: any answer is enough. */
const probeId = 'umbel-ready';

/** See `App.ensureConnection`. */
export async function ensureConnection(
  app: ConnectingApp,
  { timeout = 5 }: EnsureConnectionOptions = {},
): Promise<void> {
  const ms = toMs(timeout, 'timeout');
  let asked = 'the broker';
  const ask = async (): Promise<void> => {
    const broker = await app.broker();
    await broker.size(app.config.taskDefaultQueue);
    asked = 'the result backend';
    await (await app.backend())?.get(probeId);
  };
  await withDeadline(
    ms,
    ask(),
    () => new BrokerUnavailable(`${asked} has not answered within ${ms / 1000} s`),
  );
}
