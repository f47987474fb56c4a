// The audit log of an application: who did what, when and why.
import { AsyncLocalStorage } from 'node:async_hooks';
import { globMatcher } from '../config/glob.ts';
import { CannotAuditError } from '../errors.ts';
import { processOwner } from '../lib/process-owner.ts';
import { type AuditEntry, type AuditStore, auditOf } from '../stores/audit-store.ts';
import type { App } from './app.ts';
import { checkLimit } from './list-limit.ts';

/** Who acts, and why. */
export interface Actor {
  /** Default: the user of this process, and its host. */
  readonly user?: string;
  /** Default: empty. */
  readonly role?: string;
  /** Default: empty. */
  readonly address?: string;
  /** Default: empty. */
  readonly reason?: string;
}

/** Which entries of the audit log to list. */
export interface ListAuditOptions {
  /** Default 100. */
  readonly limit?: number;
  /** Only entries that are older than the one with this number. */
  readonly before?: number;
  /** Only of this user; `*` stands for any text. */
  readonly user?: string;
  /** Only this action; `*` stands for any text: `queue.*`. */
  readonly action?: string;
  /** Only with this target; `*` stands for any text. */
  readonly target?: string;
}

/** Null: what is done is in the log already. */
const scope = new AsyncLocalStorage<Actor | null>();
const pageSize = 500;
/** The length of a value. 1,000 task ids fit. */
const maxTextLength = 65_536;

/**
 * The audit log: one entry for each action on queues, tasks, dead letters and schedules, by code, on the command line and on the dashboard. An entry is
 * written before its action is done. The store of messages keeps the newest 10,000, or the store of results where that one cannot (RabbitMQ); if neither
 * can, nothing is written. `result.revoke()` and what workers do leave no entry.
 * @example
 * await app.audit.as({ user: 'ann', reason: 'wrong template' }, () => app.queues.purge('mail'));
 * for (const { at, user, action, target, reason } of await app.audit.list({ action: 'queue.*' })) …
 */
export class AuditLog {
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Runs `work`, whose actions are written as this user's. */
  as<T>(actor: Actor, work: () => T): T {
    return scope.run({ ...(scope.getStore() ?? {}), ...actor }, work);
  }

  /** The newest first. @throws CannotAuditError, ConfigError, BrokerUnavailable */
  async list(options: ListAuditOptions = {}): Promise<readonly AuditEntry[]> {
    const { limit = 100, before = null, ...filter } = options;
    checkLimit(limit, 'the audit log');
    const store = await this.#store();
    if (store === null) throw await this.#cannot();
    const isMeant = matcherOf(filter);
    const found: AuditEntry[] = [];
    for (let from = before; ; ) {
      const page = await store.list({ limit: pageSize, before: from });
      found.push(...page.filter(isMeant));
      if (found.length >= limit || page.length < pageSize) return found.slice(0, limit);
      from = page.at(-1)?.id ?? null;
    }
  }

  /** Whether a store keeps it. @throws BrokerUnavailable */
  async isKept(): Promise<boolean> {
    return (await this.#store()) !== null;
  }

  /**
   * Writes an action, before it is done. `own`: who and why, if the action itself says so.
   * @internal
   */
  async record(action: string, target: string, own: Actor = {}): Promise<void> {
    const actor = scope.getStore();
    if (actor === null) return;
    const { user = processOwner(), role = '', address = '', reason = '' } = { ...own, ...actor };
    const store = await this.#store();
    const [by, what, why] = [user, target, reason].map((text) => text.slice(0, maxTextLength));
    await store?.add({
      at: new Date(),
      user: by ?? '',
      role,
      action,
      target: what ?? '',
      reason: why ?? '',
      address,
    });
  }

  /** Runs `work`, whose actions somebody else writes. @internal */
  without<T>(work: () => T): T {
    return scope.run(null, work);
  }

  async #store(): Promise<AuditStore | null> {
    return auditOf(await this.#app.open());
  }

  async #cannot(): Promise<CannotAuditError> {
    const { transport, backend } = await this.#app.open();
    return new CannotAuditError(transport.name, backend?.name ?? null);
  }
}

function matcherOf(
  filter: Pick<ListAuditOptions, 'user' | 'action' | 'target'>,
): (entry: AuditEntry) => boolean {
  const tests = (['user', 'action', 'target'] as const).flatMap((field) => {
    const glob = filter[field];
    if (glob === undefined) return [];
    const matcher = globMatcher(glob);
    return [(entry: AuditEntry) => matcher.test(entry[field])];
  });
  return (entry) => tests.every((test) => test(entry));
}
