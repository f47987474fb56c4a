// The cookies of the login. No script of a page can read them.
import { parse, serialize } from 'hono/utils/cookie';

/** `login`: the encrypted state while a person is at the provider. `session`: the id of the session. */
type CookieName = 'login' | 'session';

export interface CookieJar {
  read(request: Request, name: CookieName): string | null;
  /** The header Set-Cookie. */
  set(name: CookieName, value: string, seconds: number): string;
  clear(name: CookieName): string;
}

/** Browsers keep no cookie longer; 400 days. */
const maxSeconds = 34_560_000;

/** `isSecure`: the dashboard's public address is https. Then no other host and no page without TLS can set these cookies (`__Host-`). */
export function cookieJar(isSecure: boolean): CookieJar {
  const named = (name: CookieName): string => `${isSecure ? '__Host-' : ''}umbel-${name}`;
  // Lax: a browser that comes from the provider must send them. Requests that change something are checked by their Origin.
  const attributes = { path: '/', httpOnly: true, secure: isSecure, sameSite: 'Lax' } as const;
  return {
    read: ({ headers }, name) => parse(headers.get('cookie') ?? '', named(name))[named(name)] ?? null,
    set: (name, value, maxAge) =>
      serialize(named(name), value, { ...attributes, maxAge: Math.min(Math.floor(maxAge), maxSeconds) }),
    clear: (name) => serialize(named(name), '', { ...attributes, maxAge: 0 }),
  };
}
