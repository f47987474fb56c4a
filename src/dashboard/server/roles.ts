// The roles of users, and the check of a role.
import type { MiddlewareHandler } from 'hono';
import { Problem } from '../../http/problem.ts';
import type { DashboardContext, DashboardEnv } from './context.ts';

/**
 * Each role includes the roles before it. A viewer only reads. An operator also acts on tasks and schedules, and pauses queues.
 * An admin also changes workers, adds, changes and deletes schedules, releases locks, and deletes messages.
 */
export const roles = ['viewer', 'operator', 'admin'] as const;

type UserRole = (typeof roles)[number];

export interface User {
  readonly name: string;
  readonly role: UserRole;
}

/** A line of the file of users. */
export interface Account extends User {
  /** The hash of the password; null: this user has none, and logs in with the provider. */
  readonly hash: string | null;
}

/** Middleware of a route that changes something: answers 403 to users without the role, and if the dashboard is read-only. */
export function needs(role: UserRole, { settings }: DashboardContext): MiddlewareHandler<DashboardEnv> {
  const check = needsToRead(role);
  return (request, next) => {
    if (settings.readOnly) throw new Problem(403, 'this dashboard is read-only (--read-only)');
    return check(request, next);
  };
}

/** Middleware of a route that only reads: answers 403 to users without the role. */
export function needsToRead(role: UserRole): MiddlewareHandler<DashboardEnv> {
  return async ({ var: { user } }, next) => {
    if (!may(user, role))
      throw new Problem(403, `this needs the role ${role}; ${user.name} has the role ${user.role}`);
    await next();
  };
}

function may(user: User, role: UserRole): boolean {
  return roles.indexOf(user.role) >= roles.indexOf(role);
}
