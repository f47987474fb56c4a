// What a user may do: the check of rights.
import type { MiddlewareHandler } from 'hono';
import { Problem } from '../../http/problem.ts';
import type { DashboardContext, DashboardEnv } from './context.ts';
import { type Right, rights, rightsOf, roles, type User } from './users.ts';

/** The rights that a middleware asks for, so that the API's document can be made from the routes. */
const asked = new WeakMap<object, readonly Right[]>();

export function rightsAskedBy(middleware: object): readonly Right[] | undefined {
  return asked.get(middleware);
}

/** Middleware of a route that changes something: answers 403 to users with none of these rights, and if the dashboard is read-only. */
export function needs(
  any: Right | readonly Right[],
  { settings }: DashboardContext,
): MiddlewareHandler<DashboardEnv> {
  const check = needsToRead(any);
  const unlessReadOnly: MiddlewareHandler<DashboardEnv> = (request, next) => {
    if (settings.readOnly) throw new Problem(403, 'this dashboard is read-only (--read-only)');
    return check(request, next);
  };
  asked.set(unlessReadOnly, [any].flat());
  return unlessReadOnly;
}

/** Middleware of a route that only reads: answers 403 to users with none of these rights. */
export function needsToRead(any: Right | readonly Right[]): MiddlewareHandler<DashboardEnv> {
  const wanted = [any].flat();
  const check: MiddlewareHandler<DashboardEnv> = async ({ var: { user } }, next) => {
    const own = rightsOf(user);
    if (!wanted.some((right) => own.includes(right))) throw new Problem(403, refusal(user, wanted));
    await next();
  };
  asked.set(check, wanted);
  return check;
}

function refusal({ name, role, changes = '' }: User, wanted: readonly Right[]): string {
  const words = wanted.map((right) => `+${right}`).join(' or ');
  return `this needs the role ${lowestRole(wanted)}, or the right ${words}; ${name} has the role ${role}${changes}`;
}

/** The lowest role that has one of these rights. */
export function lowestRole(wanted: readonly Right[]): string {
  return roles.find((role) => wanted.some((right) => rights[right] === role)) ?? 'admin';
}
