// The context of a route of the dashboard.
import type { Context } from 'hono';
import type { App } from '../../app/app.ts';
import type { TaskHistory } from '../../app/task-history.ts';
import type { Control } from '../../control/control.ts';
import type { ClusterState } from '../../events/cluster-state.ts';
import type { WireEvent } from '../../protocol/event.ts';
import type { DashboardAudit } from './audit.ts';
import type { DashboardSettings } from './options.ts';
import type { Fleet } from './pages/fleet.ts';
import type { User } from './users.ts';

/** Shared by all requests. */
export interface DashboardContext {
  readonly app: App;
  readonly control: Control;
  readonly history: TaskHistory;
  /** The workers and tasks, as their events show them. */
  readonly cluster: ClusterState;
  /** What the workers replied last. */
  readonly fleet: Fleet;
  readonly settings: DashboardSettings;
  readonly auditLog: DashboardAudit;
  /** Aborted when the dashboard closes: event streams and waiting requests end. */
  readonly closing: AbortSignal;
  /** Calls `listener` with each later event of the cluster, after `cluster` has recorded it. Returns a function that removes the listener. */
  onEvent(listener: (event: WireEvent) => void): () => void;
  /** Registers `work`. Closing the dashboard awaits all registered work, in reverse order. */
  onClose(work: () => unknown): void;
  /** Resolves when the first attempt to receive events has succeeded or failed. After a success the history misses no event. */
  readonly firstAttempt: Promise<void>;
  /** Writes the received events to the history. */
  flush(): Promise<void>;
}

/**
 * Writes an action of the user to the audit log. Call it before the action, so that no action is missing in the log.
 * `action`: `worker.shutdown`. `target`: the worker, task or queue.
 * @throws Problem 503 when the log cannot be written; then the action must not be done
 */
type Audit = (action: string, target: string, reason?: string) => Promise<void>;

/** Values that are added to a request (hono calls them environment): `request.var.user`. */
export interface DashboardEnv {
  Variables: {
    requestId: string;
    user: User;
    /** The user can log out. */
    hasSession: boolean;
    /** Asks again, for answers that last: the user may have logged out, or be removed meanwhile. */
    isLoggedIn: () => Promise<boolean>;
    audit: Audit;
  };
}

export type DashboardRequest = Context<DashboardEnv>;
