// What sending needs of an application. `App` implements it.

import type { Config } from '../config/config.ts';
import type { Topology } from '../config/queues.ts';
import type { Router } from '../config/router.ts';
import type { SendableTask, TaskCallOptions } from '../config/sendable-task.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultHome } from '../results/async-result.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { Exchanges } from '../stores/fanout.ts';
import type { Transport } from '../stores/transport.ts';
import type { HistoryWriter } from './history-writer.ts';
import type { SendLayer } from './send-layers.ts';

export interface SendingApp {
  readonly name: string;
  readonly config: Config;
  /** The tasks that are defined here. */
  readonly tasks: { get(name: string): SendableTask | undefined };
  /** Options of tasks that are not defined here. */
  readonly defaults: TaskCallOptions;
  readonly router: Router;
  readonly topology: Topology;
  readonly exchanges: Exchanges;
  readonly signals: PublishSignals;
  /** The layers around sending; `send` is null: there are none. */
  readonly middleware: { readonly send: readonly SendLayer[] | null };
  readonly results: ResultHome;
  /** The stores, if they are open. */
  readonly stores: Stores | null;
  /** @throws BrokerUnavailable, ConfigError */
  open(): Promise<Stores>;
}

/** The stores of an application, open. */
export interface Stores {
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
  /** Null: this program writes no history. */
  readonly history: HistoryWriter | null;
}

interface PublishSignals {
  readonly beforeTaskPublish: Listeners<{
    readonly message: TaskMessage;
    readonly queue: string;
    readonly headers: Record<string, unknown>;
  }>;
  readonly afterTaskPublish: Listeners<{ readonly message: TaskMessage; readonly queue: string }>;
}

interface Listeners<Payload> {
  readonly connected: boolean;
  send(payload: Payload): Promise<void>;
}
