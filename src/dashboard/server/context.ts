// What a route of the dashboard works with.
import type { Context } from 'hono';
import type { App } from '../../app/app.ts';
import type { TaskHistory } from '../../app/task-history.ts';
import type { Control } from '../../control/control.ts';
import type { ClusterState } from '../../events/cluster-state.ts';
import type { WireEvent } from '../../protocol/event.ts';
import type { AuditLog } from './audit.ts';
import type { DashboardSettings } from './options.ts';
import type { User } from './roles.ts';

/** The same for every request. */
export interface DashboardContext {
  readonly app: App;
  readonly control: Control;
  readonly history: TaskHistory;
  /** The workers and tasks, as their events show them. */
  readonly cluster: ClusterState;
  readonly settings: DashboardSettings;
  /** What was done by whom. */
  readonly auditLog: AuditLog;
  /** Aborted when the dashboard closes: event streams and waiting requests end. */
  readonly closing: AbortSignal;
  /** Calls `listener` with each event of the cluster from now on, after `cluster` has it. The result ends that. */
  onEvent(listener: (event: WireEvent) => void): () => void;
  /** Calls and awaits `work` when the dashboard closes, the last one first. */
  onClose(work: () => unknown): void;
  /** Resolves when events are heard, or could not be heard at the first attempt: what is sent later is in the history. */
  readonly tried: Promise<void>;
  /** Writes to the history what was heard until now. */
  flush(): Promise<void>;
}

/**
 * Keeps that the user is about to do something: before it is done, so that nothing is done in secret. `action`: `worker.shutdown`. `target`: the worker,
 * task or queue that it is done to. @throws Problem 503 when it cannot be kept; then the action must not be done
 */
type Audit = (action: string, target: string, reason?: string) => Promise<void>;

/** Values that are added to a request (hono calls them environment): `request.var.user`. */
export interface DashboardEnv {
  Variables: {
    requestId: string;
    user: User;
    audit: Audit;
  };
}

export type DashboardRequest = Context<DashboardEnv>;
