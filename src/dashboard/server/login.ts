// Who makes a request: HTTP Basic authentication against `basicAuth` and the file of users, or the session of a login by a provider (oidc/).
// A browser would also add password and cookie to requests of other sites' pages; http/origin.ts refuses those requests first.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from '../../errors.ts';
import { addressOf } from '../../http/client-address.ts';
import { Problem } from '../../http/problem.ts';
import type { Logger } from '../../lib/logger.ts';
import { LoginThrottle } from './login-throttle.ts';
import type { OidcLogin } from './oidc/oidc-login.ts';
import { isPassword, readAccounts } from './passwords.ts';
import { type Account, type User, userOf } from './users.ts';

interface LoginOptions {
  /** `user:password`; each user is an admin. */
  readonly basicAuth: readonly string[];
  /** The file of users; null: there is no file. */
  readonly users: string | null;
  readonly logger: Logger;
}

interface Identified {
  readonly user: User;
  /** By a session that can be ended; else by HTTP Basic, or by no login at all. */
  readonly hasSession: boolean;
}

/** Recently verified passwords are cached, because scrypt is too slow for each request. */
const maxRemembered = 1_000;
const rememberMs = 5 * 60_000;
/** Concurrent checks; each takes a thread and 32 MiB. */
const maxConcurrent = 2;
/** Checks that wait for a free slot. */
const maxWaiting = 50;

/** The hash for unknown users, so that their check takes as long as a known user's. */
const unknownUserHash = 'scrypt$15$8$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

export class Login {
  readonly #given: readonly { readonly name: string; readonly digest: Buffer }[];
  readonly #file: string | null;
  readonly #logger: Logger;
  readonly #oidc: OidcLogin | null;
  readonly #throttle = new LoginThrottle();
  readonly #key = randomBytes(32);
  readonly #remembered = new Map<string, { readonly user: User; readonly until: number }>();
  #accounts: ReadonlyMap<string, Account> = new Map();
  /** Identifies the version of the file that was read. */
  #version = '';
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  constructor({ basicAuth, users, logger }: LoginOptions, oidc: OidcLogin | null) {
    this.#given = basicAuth.map((each) => ({
      name: each.slice(0, each.indexOf(':')),
      digest: digest(each),
    }));
    this.#file = users;
    this.#logger = logger;
    this.#oidc = oidc;
  }

  /** False: every client is an admin. */
  get required(): boolean {
    return this.#given.length > 0 || this.#file !== null || this.#oidc !== null;
  }

  /** @throws Problem 401, 429, 503 */
  async identify(request: Request): Promise<Identified> {
    if (!this.required) return { user: { name: 'anybody', role: 'admin' }, hasSession: false };
    await this.#readFile();
    const given = credentialsIn(request);
    if (given !== null) return { user: await this.#userOf(given, request), hasSession: false };
    if (this.#oidc === null) throw refused('this dashboard needs a name and a password');
    const user = this.#oidc.userOf(request, this.#accounts);
    // Without WWW-Authenticate: browsers would ask for a password.
    if (user === null) throw new Problem(401, 'this needs a login; open the dashboard in a browser');
    return { user, hasSession: true };
  }

  /** The users of the file, by name. @throws Problem 503 */
  async accounts(): Promise<ReadonlyMap<string, Account>> {
    await this.#readFile();
    return this.#accounts;
  }

  async #userOf(given: Credentials, request: Request): Promise<User> {
    const key = createHmac('sha256', this.#key).update(`${given.name}:${given.password}`).digest('base64');
    const known = this.#remembered.get(key);
    if (known !== undefined && known.until > performance.now()) return known.user;
    const address = addressOf(request) ?? '';
    // The address alone does not identify a client: many users may share a proxy.
    const client = `${address} ${given.name}`;
    const pauseMs = this.#throttle.pauseOf(client, performance.now());
    if (pauseMs > 0)
      throw new Problem(429, 'too many wrong passwords; try again later', {
        headers: { 'Retry-After': String(Math.ceil(pauseMs / 1000)) },
      });
    const user = await this.#check(given);
    if (user === null) {
      this.#throttle.failed(client, performance.now());
      this.#logger.warn(
        { user: given.name.slice(0, 100), address },
        `a wrong password for '${given.name.slice(0, 100)}' from ${address || 'an unknown address'}`,
      );
      throw refused('the name or the password is wrong');
    }
    this.#throttle.succeeded(client);
    this.#remember(key, user);
    return user;
  }

  async #check({ name, password }: Credentials): Promise<User | null> {
    const given = digest(`${name}:${password}`);
    let found: User | null = null;
    // Compare with all logins: stopping at a match would reveal by its time which login it was.
    for (const each of this.#given)
      if (timingSafeEqual(each.digest, given)) found = { name: each.name, role: 'admin' };
    if (found !== null || this.#file === null) return found;
    const account = this.#accounts.get(name);
    const isRight = await this.#limited(() => isPassword(password, account?.hash ?? unknownUserHash));
    return isRight && account !== undefined && account.hash !== null ? userOf(account) : null;
  }

  #remember(key: string, user: User): void {
    this.#remembered.set(key, { user, until: performance.now() + rememberMs });
    const [first] = this.#remembered.keys();
    if (this.#remembered.size > maxRemembered && first !== undefined) this.#remembered.delete(first);
  }

  /** Reads the file again if it has changed, so that a removed user loses access at once. @throws Problem 503 */
  async #readFile(): Promise<void> {
    if (this.#file === null) return;
    try {
      const { mtimeMs, size, ino } = await stat(this.#file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return;
      this.#accounts = readAccounts(await readFile(this.#file, 'utf8'), this.#file);
      this.#version = version;
      this.#remembered.clear();
    } catch (cause) {
      this.#remembered.clear();
      this.#version = '';
      throw new Problem(503, 'the file of users cannot be read; see the log', { cause });
    }
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= maxConcurrent) {
      if (this.#waiting.length >= maxWaiting)
        throw new Problem(503, 'too many logins at the same time', { headers: { 'Retry-After': '5' } });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#busy++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
    }
  }
}

/** Checks the file of users before a dashboard starts. @throws ConfigError if it is unreadable, malformed or empty */
export async function checkUsers(file: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(
      `the file of users cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  if (readAccounts(text, file).size === 0)
    throw new ConfigError(`${file} has no users; umbel flower passwd ${file} NAME adds one`);
}

interface Credentials {
  readonly name: string;
  readonly password: string;
}

const maxLength = 1_024;

function credentialsIn({ headers }: Request): Credentials | null {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(headers.get('authorization') ?? '') ?? [];
  if (encoded === undefined || encoded.length > maxLength) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function refused(why: string): Problem {
  return new Problem(401, why, { headers: { 'WWW-Authenticate': 'Basic realm="umbel", charset="UTF-8"' } });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
