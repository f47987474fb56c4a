// Chooses the queue and other options of a call by its name (Celery's task_routes). Pure.
import { ConfigError } from '../errors.ts';
import { checkOptions } from '../lib/schema.ts';
import { type CallOptions, travellingOptions } from './call-options.ts';
import { globMatcher } from './glob.ts';

/** Options for the calls of a route. Text is the name of a queue. */
export type Route = string | RouteOptions;

const routeNames = [
  'queue',
  'exchange',
  'routingKey',
  'priority',
  'serializer',
  'compression',
  'expires',
  'timeLimit',
  'softTimeLimit',
  'ignoreResult',
] as const;

/** The options of a call that a route can set. */
export interface RouteOptions extends Pick<CallOptions, (typeof routeNames)[number]> {}

const routeOptions = Object.fromEntries(routeNames.map((each) => [each, travellingOptions[each]]));

/** A route that depends on the whole call. `undefined` and `null`: the next router decides. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: CallOptions,
) => Route | undefined | null;

/** Routes by name or pattern: `'shop.add'`, `'video.*'`, `/^(video|image)\./`. */
export type RouteEntries =
  | Readonly<Record<string, Route>>
  | ReadonlyMap<string | RegExp, Route>
  | readonly (readonly [pattern: string | RegExp, route: Route])[];

/** Celery's `task_routes`: names and patterns, a function, or a list of both. The first router that returns a route decides. */
export type Routes = RouteEntries | RouteFunction | readonly (RouteEntries | RouteFunction)[];

/**
 * Finds the route of a call. An exact name wins over patterns, patterns are tried in their order, and of several routers the
 * first that returns a route decides.
 * @throws ConfigError for invalid routes.
 */
export class Router {
  /** The routes depend on the task's name only: none of them is a function. */
  readonly byName: boolean;
  readonly #routers: readonly RouteFunction[];

  constructor(routes: Routes | null) {
    this.byName = !(Array.isArray(routes) ? routes : [routes]).some((each) => typeof each === 'function');
    this.#routers = routes === null ? [] : readRouters(routes);
  }

  /** Whether there are no routes. */
  get empty(): boolean {
    return this.#routers.length === 0;
  }

  /** @throws ConfigError when a function returns something that is not a route. */
  route(
    name: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    options: CallOptions,
  ): RouteOptions | undefined {
    for (const router of this.#routers) {
      const route = router(name, args, kwargs, options);
      if (route !== undefined && route !== null) return readRoute(route, `the route of '${name}'`);
    }
    return undefined;
  }
}

function readRouters(routes: Routes): RouteFunction[] {
  if (typeof routes === 'function') return [routes];
  if (Array.isArray(routes) && !routes.some(isPair))
    return routes.map((one: RouteEntries | RouteFunction) => readRouter(one));
  return [readRouter(routes as RouteEntries)]; // the remaining kind of list: a list of pairs
}

function readRouter(router: RouteEntries | RouteFunction): RouteFunction {
  if (typeof router === 'function') return router;
  const exact = new Map<string, RouteOptions>();
  const patterns: { readonly pattern: { test(name: string): boolean }; readonly route: RouteOptions }[] = [];
  for (const [key, value] of entriesOf(router)) {
    const route = readRoute(value, `the route of '${String(key)}'`);
    // A copy without the flags `g` and `y`: with them `test` continues from the last match, and fails every other time.
    if (key instanceof RegExp)
      patterns.push({ pattern: new RegExp(key.source, key.flags.replace(/[gy]/g, '')), route });
    else if (key.includes('*')) patterns.push({ pattern: globMatcher(key), route });
    else exact.set(key, route);
  }
  return (name) => exact.get(name) ?? patterns.find(({ pattern }) => pattern.test(name))?.route;
}

function entriesOf(router: RouteEntries): Iterable<readonly [string | RegExp, Route]> {
  if (Array.isArray(router)) {
    const wrong = router.findIndex((item) => !isPair(item));
    if (wrong >= 0)
      throw new ConfigError(`taskRoutes: entry ${wrong} is not a pair [name or pattern, route]`);
    return router;
  }
  if (router instanceof Map) return router;
  if (typeof router !== 'object' || router === null) {
    throw new ConfigError(
      "taskRoutes must be an object like { 'video.*': 'video' }, a list of pairs, a function, or a list of these",
    );
  }
  return Object.entries(router);
}

function isPair(value: unknown): value is readonly [string | RegExp, Route] {
  return (
    Array.isArray(value) && value.length === 2 && (typeof value[0] === 'string' || value[0] instanceof RegExp)
  );
}

function readRoute(route: unknown, where: string): RouteOptions {
  if (typeof route === 'string' && route !== '') return { queue: route };
  if (typeof route !== 'object' || route === null || Array.isArray(route)) {
    throw new ConfigError(`${where} must be a queue's name or options like { queue: 'video' }`);
  }
  checkOptions(routeOptions, route, where);
  return route;
}
