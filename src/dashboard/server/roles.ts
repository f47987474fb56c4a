// What a user may do: the check of a role.
import type { MiddlewareHandler } from 'hono';
import { Problem } from '../../http/problem.ts';
import type { DashboardContext, DashboardEnv } from './context.ts';
import { roles, type User, type UserRole } from './users.ts';

/** The role that a middleware asks for, so that the API's document can be made from the routes. */
const asked = new WeakMap<object, UserRole>();

export function roleAskedBy(middleware: object): UserRole | undefined {
  return asked.get(middleware);
}

/** Middleware of a route that changes something: answers 403 to users without the role, and if the dashboard is read-only. */
export function needs(role: UserRole, { settings }: DashboardContext): MiddlewareHandler<DashboardEnv> {
  const check = needsToRead(role);
  const unlessReadOnly: MiddlewareHandler<DashboardEnv> = (request, next) => {
    if (settings.readOnly) throw new Problem(403, 'this dashboard is read-only (--read-only)');
    return check(request, next);
  };
  asked.set(unlessReadOnly, role);
  return unlessReadOnly;
}

/** Middleware of a route that only reads: answers 403 to users without the role. */
export function needsToRead(role: UserRole): MiddlewareHandler<DashboardEnv> {
  const check: MiddlewareHandler<DashboardEnv> = async ({ var: { user } }, next) => {
    if (!may(user, role))
      throw new Problem(403, `this needs the role ${role}; ${user.name} has the role ${user.role}`);
    await next();
  };
  asked.set(check, role);
  return check;
}

function may(user: User, role: UserRole): boolean {
  return roles.indexOf(user.role) >= roles.indexOf(role);
}
