// The users of the dashboard, and their roles. Types of the package reach this file: it imports nothing.

/**
 * Each role includes the roles before it. A viewer only reads. An operator also acts on tasks and schedules, and pauses queues.
 * An admin also changes workers, adds, changes and deletes schedules, releases locks, and deletes messages.
 */
export const roles = ['viewer', 'operator', 'admin'] as const;

type UserRole = (typeof roles)[number];

/** What can be done, or read, with the lowest role that may. A line of the file of users adds and takes away single rights: `operator+purge-send`. */
export const rights = {
  /** Send tasks. */
  send: 'operator',
  /** Run tasks again, also as jobs, and replay dead letters. */
  retry: 'operator',
  /** Revoke, terminate and abort tasks. */
  revoke: 'operator',
  /** Pause and resume queues. */
  pause: 'operator',
  /** Move, promote and reschedule what waits. */
  move: 'operator',
  /** Release messages that workers hold. */
  release: 'operator',
  /** Repair chords. */
  chords: 'operator',
  /** Run, pause and resume schedules. */
  run: 'operator',
  /** Switch the events of workers on and off. */
  events: 'operator',
  /** Read the findings of the doctor. */
  doctor: 'operator',
  /** Change limits, pools and queues of workers. */
  workers: 'admin',
  /** Shut workers down, and restart them one by one. */
  shutdown: 'admin',
  /** Add, change and delete schedules. */
  schedules: 'admin',
  /** Delete messages that wait. */
  purge: 'admin',
  /** Discard dead letters. */
  discard: 'admin',
  /** Release locks of unique tasks. */
  locks: 'admin',
  /** Read the audit log. */
  audit: 'admin',
} as const satisfies Readonly<Record<string, UserRole>>;

export type Right = keyof typeof rights;

export interface User {
  readonly name: string;
  readonly role: UserRole;
  /** Rights that are added to those of the role, or taken away: `+purge-send`. Default: none. */
  readonly changes?: string;
}

/** The rights of a user. */
export function rightsOf({ role, changes = '' }: Pick<User, 'role' | 'changes'>): readonly Right[] {
  const all = Object.keys(rights).filter(isRight);
  const own = new Set(all.filter((right) => roles.indexOf(role) >= roles.indexOf(rights[right])));
  for (const [, sign, name = ''] of changes.matchAll(/([+-])([a-z]+)/g)) {
    if (!isRight(name)) continue;
    if (sign === '+') own.add(name);
    else own.delete(name);
  }
  return all.filter((right) => own.has(right));
}

/** Reads `operator+purge-send`; null: there is no such role, or no such right. */
export function readRole(text: string): Pick<User, 'role' | 'changes'> | null {
  const [, name, changes = ''] = /^([a-z]+)((?:[+-][a-z]+)*)$/.exec(text) ?? [];
  const role = roles.find((each) => each === name);
  const named = [...changes.matchAll(/[a-z]+/g)].map(([right]) => right);
  if (role === undefined || !named.every(isRight)) return null;
  return changes === '' ? { role } : { role, changes };
}

function isRight(name: string): name is Right {
  return Object.hasOwn(rights, name);
}

/** A line of the file of users. */
export interface Account extends User {
  /** The hash of the password; null: this user has none, and logs in with the provider. */
  readonly hash: string | null;
}

/** The user of a line: what is in no session and no log. */
export function userOf({ hash: _, ...user }: Account): User {
  return user;
}
