// Who may do what.
import type { MiddlewareHandler } from 'hono';
import { Problem } from '../../http/problem.ts';
import type { DashboardContext, DashboardEnv } from './context.ts';

/** Each may do all that those before it may: look; act on tasks and queues; act on workers, and delete. */
export const roles = ['viewer', 'operator', 'admin'] as const;

type UserRole = (typeof roles)[number];

export interface User {
  readonly name: string;
  readonly role: UserRole;
}

/** A user of the file. */
export interface Account extends User {
  /** Of the password. */
  readonly hash: string;
}

/** For a route that does something. Else: 403. */
export function needs(role: UserRole, { settings }: DashboardContext): MiddlewareHandler<DashboardEnv> {
  return async (request, next) => {
    const { user } = request.var;
    if (settings.readOnly) throw new Problem(403, 'this dashboard is read-only (--read-only)');
    if (!may(user, role))
      throw new Problem(403, `this needs the role ${role}, and ${user.name} has the role ${user.role}`);
    await next();
  };
}

function may(user: User, role: UserRole): boolean {
  return roles.indexOf(user.role) >= roles.indexOf(role);
}
