import type { HealthOptions } from '../http/health.ts';
import type { Duration } from '../lib/duration.ts';
import type { Logger } from '../lib/logger.ts';
import type { WireEvent } from '../protocol/event.ts';
import type { FactsHook } from './redactor.ts';

/** Options of `new Recorder`. */
export interface RecorderOptions {
  /** Where it logs. Default: it does not. */
  readonly logger?: Logger;
  /** How long a task is kept after its last event. Default 7 days; null: for ever. */
  readonly keepFor?: Duration | null;
  /** How many tasks are kept: of more, the oldest are deleted. Default 1,000,000; null: no limit. */
  readonly keepTasks?: number | null;
  /** Names of arguments and other members whose values are not written. Members that are named like secrets are never written. */
  readonly redact?: readonly string[];
  /** Changes what is kept of a task before it is written, to leave out secrets. */
  readonly redactHook?: FactsHook;
  /** Ask workers that do not write into the stream, such as Celery's, every 5 seconds to send task events (`enable_events`). Default true. */
  readonly enable?: boolean;
  /** Called with each received event, also events of workers. */
  readonly onEvent?: (event: WireEvent) => void;
  /** Probes and metrics over HTTP, and a file that is touched, as of a worker. A recorder that cannot write the history is not ready. */
  readonly health?: HealthOptions;
}
