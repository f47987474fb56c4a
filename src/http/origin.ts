// Refuses requests that a web page makes without its user's knowledge.
import { isLoopbackName } from './loopback.ts';
import { Problem } from './problem.ts';

/**
 * The request must name a host of ours. A page of evil.test whose name was pointed at 127.0.0.1 after it
 * was loaded (DNS rebinding) reaches us, but names its own host.
 * @throws Problem 403
 */
export function checkHost(request: Request, allowed: readonly string[] | null): void {
  if (allowed === null) return;
  const name = hostName(request);
  if (isLoopbackName(name) || allowed.includes(name)) return;
  throw new Problem(
    403,
    `this server does not answer to the host '${name.slice(0, 100)}'; see its option allowedHosts`,
  );
}

/**
 * A request that changes something must not come from a page of another site. Programs send neither header; browsers send both, and
 * a page cannot change them.
 * @throws Problem 403
 */
export function checkOrigin(request: Request, trusted: readonly string[]): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const origin = request.headers.get('origin');
  if (origin !== null && trusted.includes(origin)) return;
  const site = request.headers.get('sec-fetch-site');
  const own =
    site === null ? origin === null || isOwn(origin, request) : site === 'same-origin' || site === 'none';
  if (own) return;
  throw new Problem(
    403,
    'requests from pages of other sites are refused, unless the server was told to trust them',
  );
}

function isOwn(origin: string, request: Request): boolean {
  return URL.canParse(origin) && new URL(origin).host === hostOf(request);
}

function hostName(request: Request): string {
  const host = hostOf(request);
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : host;
}

/** Includes the port, if there is one. */
function hostOf(request: Request): string {
  return (request.headers.get('host') ?? new URL(request.url).host).toLowerCase();
}
