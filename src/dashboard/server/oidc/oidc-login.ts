// The login by OpenID Connect: authorization code with PKCE, state and nonce. `/login` begins it, and is where the provider sends people back to.
import type { JWTPayload } from 'jose';
import { ConfigError } from '../../../errors.ts';
import { Problem } from '../../../http/problem.ts';
import type { Logger } from '../../../lib/logger.ts';
import type { Account, User } from '../users.ts';
import { type CookieJar, cookieJar } from './cookies.ts';
import { comparableEmail, type Identity, userOfIdentity } from './grants.ts';
import type { OidcSettings } from './options.ts';
import { newPendingLogin, pendingSeconds, Sealer } from './pending-login.ts';
import { Provider } from './provider.ts';
import { Sessions } from './sessions.ts';

/** Codes that are redeemed at the same time; more would let strangers load the provider through this server. */
const maxRedeeming = 10;
/** States that came back, so that the same answer of a provider is not taken twice. */
const maxUsedStates = 10_000;

export class OidcLogin {
  readonly #settings: OidcSettings;
  readonly #logger: Logger;
  readonly #provider: Provider;
  readonly #sessions: Sessions;
  readonly #sealer = new Sealer();
  readonly #jar: CookieJar;
  readonly #usedStates = new Set<string>();
  #redeeming = 0;

  constructor(settings: OidcSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
    this.#provider = new Provider(settings.client);
    this.#sessions = new Sessions(settings.sessionLifetime * 1_000);
    this.#jar = cookieJar(settings.client.redirectUri.startsWith('https:'));
  }

  /** Says at the start whether the provider is one. A provider that is away is a warning: it may come later. @throws ConfigError */
  async check(): Promise<void> {
    try {
      await this.#provider.check();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      this.#logger.warn(
        { err: error },
        `nobody can log in now: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  /** The user of the session; null: there is no session, or this person may no longer log in. */
  userOf(request: Request, accounts: ReadonlyMap<string, Account>): User | null {
    const id = this.#jar.read(request, 'session');
    const identity = id === null ? null : this.#sessions.find(id, performance.now());
    return identity === null ? null : userOfIdentity(identity, this.#settings.rules, accounts);
  }

  /** Sends the browser to the provider. @throws Problem 503 */
  async begin(next: string): Promise<Response> {
    const pending = newPendingLogin(this.#safePath(next), performance.now());
    const url = await this.#asked(() => this.#provider.authorizationUrl(pending));
    return redirect(url, [this.#jar.set('login', this.#sealer.seal(pending), pendingSeconds)]);
  }

  /** The browser comes back from the provider. @throws Problem 401, 403, 503 */
  async finish(request: Request, accounts: ReadonlyMap<string, Account>): Promise<Response> {
    const answer = new URL(request.url).searchParams;
    const now = performance.now();
    const pending = this.#sealer.open(this.#jar.read(request, 'login') ?? '', now);
    const state = answer.get('state');
    if (pending === null || state !== pending.state || this.#usedStates.has(state))
      throw new Problem(401, 'this login did not begin in this browser, was used before, or took too long');
    this.#useState(state);
    const code = answer.get('code');
    if (code === null) {
      const [reason = 'no reason'] = /^\w{1,50}$/.exec(answer.get('error') ?? '') ?? [];
      throw new Problem(401, `the provider has refused the login (${reason})`);
    }
    if (this.#redeeming >= maxRedeeming)
      throw new Problem(503, 'too many logins at the same time', { headers: { 'Retry-After': '5' } });
    this.#redeeming++;
    let claims: JWTPayload;
    try {
      claims = await this.#asked(() => this.#provider.claimsOf(code, answer.get('iss'), pending));
    } finally {
      this.#redeeming--;
    }
    const identity = this.#identityOf(claims);
    const user = userOfIdentity(identity, this.#settings.rules, accounts);
    if (user === null) {
      this.#logger.warn({ person: identity.name }, `${identity.name} wanted to log in and has no role here`);
      throw new Problem(
        403,
        identity.email === null
          ? 'the provider does not confirm an e-mail of yours, and no group of yours may use this dashboard'
          : `${identity.email} may not use this dashboard`,
      );
    }
    const before = this.#jar.read(request, 'session');
    if (before !== null) this.#sessions.end(before);
    const id = this.#sessions.begin(identity, performance.now());
    this.#logger.info({ user: user.name, role: user.role }, `${user.name} logged in as ${user.role}`);
    return redirect(pending.next, [
      this.#jar.set('session', id, this.#settings.sessionLifetime),
      this.#jar.clear('login'),
    ]);
  }

  /** Ends the session. Returns the header that deletes its cookie. */
  end(request: Request): string {
    const id = this.#jar.read(request, 'session');
    if (id !== null) this.#sessions.end(id);
    return this.#jar.clear('session');
  }

  /** @throws Problem 401 for an e-mail that the provider says is not confirmed */
  #identityOf(claims: JWTPayload): Identity {
    const { sub = '', email, email_verified: verified, preferred_username: username } = claims;
    if (verified === false || verified === 'false')
      throw new Problem(401, 'the provider has not confirmed your e-mail; confirm it there first');
    // An e-mail that nobody confirmed could be written into a profile by anybody.
    const isConfirmed = typeof email === 'string' && (verified === true || verified === 'true');
    const confirmed = isConfirmed ? comparableEmail(email) : null;
    const { mapping } = this.#settings.rules;
    const values: unknown = mapping === null ? [] : claims[mapping.claim];
    const groups = (Array.isArray(values) ? values : [values]).filter((each) => typeof each === 'string');
    return {
      email: confirmed,
      name: confirmed ?? (typeof username === 'string' ? `${username} (${sub})` : sub),
      groups,
    };
  }

  #useState(state: string): void {
    this.#usedStates.add(state);
    const [first] = this.#usedStates;
    if (this.#usedStates.size > maxUsedStates && first !== undefined) this.#usedStates.delete(first);
  }

  /** A wrong configuration of the provider that shows only now is an error of the server, which the log tells. */
  async #asked<T>(asking: () => Promise<T>): Promise<T> {
    try {
      return await asking();
    } catch (cause) {
      if (cause instanceof ConfigError)
        throw new Problem(503, 'the login provider is not configured right; see the log', { cause });
      if (cause instanceof Problem && cause.status === 401)
        this.#logger.warn(
          { err: cause.cause ?? cause },
          `a login was refused: ${String(cause.cause ?? cause.message)}`,
        );
      throw cause;
    }
  }

  /** A page of this dashboard, whatever `next` says; absolute, because a path like `//evil.test` is another site. */
  #safePath(next: string): string {
    const { redirectUri } = this.#settings.client;
    const home = redirectUri.replace(/login$/, '');
    if (!next.startsWith('/') || !URL.canParse(next, redirectUri)) return home;
    const { href } = new URL(next, redirectUri);
    return href.startsWith(home) && !href.startsWith(redirectUri) && href.length < 2_000 ? href : home;
  }
}

function redirect(to: string, cookies: readonly string[]): Response {
  const headers = new Headers({ Location: to, 'Cache-Control': 'no-store' });
  for (const each of cookies) headers.append('Set-Cookie', each);
  return new Response(null, { status: 303, headers });
}
