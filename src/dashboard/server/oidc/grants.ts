// Which role a person has whom the provider has identified. Pure.
import { ConfigError } from '../../../errors.ts';
import { type Account, roles, type User, userOf } from '../users.ts';

/** What the provider says of a person, kept for the time of the session. */
export interface Identity {
  /** Confirmed by the provider, lower case; null: it confirms none. */
  readonly email: string | null;
  /** The name that the audit log and the pages show. */
  readonly name: string;
  /** The values of the claim that `oidcRoles` names: groups, roles. */
  readonly groups: readonly string[];
}

/** `--oidc-roles groups=ops:operator,leads:admin`. */
interface RoleMapping {
  readonly claim: string;
  readonly roles: ReadonlyMap<string, User['role']>;
}

export interface GrantRules {
  /** Flower's `auth`; null: not given. */
  readonly auth: EmailPattern | null;
  readonly mapping: RoleMapping | null;
  /** The role of everybody else whom the provider lets in; null: nobody else may log in. */
  readonly otherwise: User['role'] | null;
}

type EmailPattern = (email: string) => boolean;

/**
 * The user; null: this person may not log in. A line of the file of users decides alone. Else the highest role of all rules counts.
 * It is called for each request, so a change of the file of users has an effect on open sessions.
 */
export function userOfIdentity(
  { email, name, groups }: Identity,
  { auth, mapping, otherwise }: GrantRules,
  accounts: ReadonlyMap<string, Account>,
): User | null {
  const account = email === null ? undefined : accountOf(email, accounts);
  if (account !== undefined) return { ...userOf(account), name };
  const granted = groups.flatMap((group) => mapping?.roles.get(group) ?? []);
  if (email !== null && auth?.(email) === true) granted.push('admin');
  if (email !== null && otherwise !== null) granted.push(otherwise);
  const role = roles.findLast((each) => granted.includes(each));
  return role === undefined ? null : { name, role };
}

function accountOf(email: string, accounts: ReadonlyMap<string, Account>): Account | undefined {
  for (const [name, account] of accounts) if (comparableEmail(name) === email) return account;
  return undefined;
}

/** Case does not count in ASCII. Other letters stay: some of them (K of kelvin) become ASCII in lower case, and would be another person's. */
export function comparableEmail(email: string): string {
  return email.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/**
 * Flower's `auth`: an e-mail, several with `|` between them, or one with a `*` before its `@`: `.*@example.com`.
 * @throws ConfigError for what Flower refuses, too
 */
export function emailPattern(text: string): EmailPattern {
  const wrong = (why: string): ConfigError =>
    new ConfigError(
      `auth must be e-mails with '|' between them, or one like '.*@example.com', not '${text}': ${why}`,
    );
  const given = comparableEmail(text.trim());
  const emails = given.split('|');
  if (given.includes('*')) {
    if (emails.length > 1) throw wrong("a '*' cannot stand beside '|'");
    if (given.split('*').length > 2) throw wrong("it has more than one '*'");
    const [, before = '', domain = ''] = /^([^@]*)@([^@]+)$/.exec(given) ?? [];
    if (!before.includes('*') || domain.includes('*'))
      throw wrong("the '*' must stand left of '@', and a domain must follow");
    const [start = '', end = ''] = before.split(/\.?\*/);
    return (email) => {
      const [, name, at] = /^([^@]+)@([^@]+)$/.exec(email) ?? [];
      return (
        name !== undefined &&
        at === domain &&
        name.length >= start.length + end.length &&
        name.startsWith(start) &&
        name.endsWith(end)
      );
    };
  }
  if (!emails.every((each) => /^[^@\s]+@[^@\s]+$/.test(each))) throw wrong('these are no e-mails');
  return (email) => emails.includes(email);
}

/** @throws ConfigError */
export function roleMapping(text: string): RoleMapping {
  const wrong = (why: string): ConfigError =>
    new ConfigError(`oidcRoles must be like 'groups=ops:operator,leads:admin', not '${text}': ${why}`);
  const [, claim = '', list = ''] = /^([^=]+)=(.+)$/.exec(text.trim()) ?? [];
  if (claim === '') throw wrong('it names no claim');
  const mapped = new Map<string, User['role']>();
  for (const each of list.split(',')) {
    const [, value = '', name = ''] = /^(.+):(\w+)$/.exec(each.trim()) ?? [];
    const role = roles.find((known) => known === name);
    if (role === undefined) throw wrong(`'${each}' must be a value and its role (${roles.join(', ')})`);
    if (mapped.has(value)) throw wrong(`'${value}' is there twice`);
    mapped.set(value, role);
  }
  return { claim, roles: mapped };
}
