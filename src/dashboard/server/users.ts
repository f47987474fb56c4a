// The users of the dashboard, and their roles. Types of the package reach this file: it imports nothing.

/**
 * Each role includes the roles before it. A viewer only reads. An operator also acts on tasks and schedules, and pauses queues.
 * An admin also changes workers, adds, changes and deletes schedules, releases locks, and deletes messages.
 */
export const roles = ['viewer', 'operator', 'admin'] as const;

export type UserRole = (typeof roles)[number];

export interface User {
  readonly name: string;
  readonly role: UserRole;
}

/** A line of the file of users. */
export interface Account extends User {
  /** The hash of the password; null: this user has none, and logs in with the provider. */
  readonly hash: string | null;
}
