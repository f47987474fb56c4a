// Refuses requests that a web page makes without its user's knowledge.
import { isLoopbackName } from './loopback.ts';
import { Problem } from './problem.ts';

/**
 * Refuses requests whose `Host` is not an allowed name (null: any name is allowed). This stops DNS rebinding: a page of evil.test points
 * its own name to 127.0.0.1 after it was loaded. Its requests then reach this server, but their `Host` is evil.test.
 * @throws Problem 403
 */
export function checkHost(request: Request, allowed: readonly string[] | null): void {
  if (allowed === null) return;
  const name = hostName(request);
  if (isLoopbackName(name) || allowed.includes(name)) return;
  throw new Problem(403, `the host '${name.slice(0, 100)}' is not allowed; see the option allowedHosts`);
}

/**
 * Refuses requests that may change something and come from a page of another site (CSRF). Browsers send `Origin` and `Sec-Fetch-Site`, and
 * a page cannot change these headers. Other programs send neither.
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
    'requests from pages of other sites are refused; the server can be configured to trust a site',
  );
}

function isOwn(origin: string, request: Request): boolean {
  return /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).host === hostOf(request);
}

function hostName(request: Request): string {
  const host = hostOf(request);
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : host;
}

/** Includes the port, if there is one. */
function hostOf(request: Request): string {
  return (request.headers.get('host') ?? new URL(request.url).host).toLowerCase();
}
