// Who is there: accounts and logins.
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Profile, Registration } from '../shared/shapes.ts';
import { change, database } from './database.ts';
import { inDays, now, type UserRow } from './schema.ts';

export type User = Pick<UserRow, 'id' | 'email' | 'name' | 'timezone' | 'revision'>;

const columns = ['id', 'email', 'name', 'timezone', 'revision'] as const;

/** How long a login lasts. */
export const sessionDays = 30;

/** undefined: there is one with this address. */
export async function register({ password, ...user }: Registration): Promise<User | undefined> {
  const row = { ...user, password_hash: await hash(password), created_at: now() };
  const added = database
    .insertInto('users')
    .values(row)
    .onConflict((on) => on.column('email').doNothing());
  return added.returning(columns).executeTakeFirst();
}

/** undefined: address or password are wrong. */
export async function login(email: string, password: string): Promise<User | undefined> {
  const users = database.selectFrom('users').select([...columns, 'password_hash']);
  const user = await users.where('email', '=', email).executeTakeFirst();
  // Computed also where there is no such user: how long it takes does not tell who has an account.
  const fits = await verify(password, user?.password_hash ?? (await nobody));
  return fits ? user : undefined;
}

export async function changeUser(user: User, changes: Profile): Promise<User> {
  const { name = user.name, timezone = user.timezone } = changes;
  return change(user.id, (writing) => {
    const changed = writing.updateTable('users').set({ name, timezone }).where('id', '=', user.id);
    return changed.returning(columns).executeTakeFirstOrThrow();
  });
}

/** Gives a token for the cookie, or for `authorization: Bearer`. */
export async function openSession(userId: number): Promise<string> {
  const token = randomBytes(32).toString('base64url');
  const session = { token_hash: digest(token), user_id: userId, expires_at: inDays(sessionDays) };
  await database.insertInto('sessions').values(session).execute();
  return token;
}

export async function closeSession(token: string): Promise<void> {
  await database.deleteFrom('sessions').where('token_hash', '=', digest(token)).execute();
}

export async function userOf(token: string): Promise<User | undefined> {
  return database
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['users.id', 'email', 'name', 'timezone', 'revision'])
    .where('token_hash', '=', digest(token))
    .where('expires_at', '>', now())
    .executeTakeFirst();
}

/** A token is random: unlike a password it needs no slow hash. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

const derive = promisify<string, Buffer, number, Buffer>(scrypt);

async function hash(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  return `${salt.toString('hex')}:${(await derive(password, salt, 32)).toString('hex')}`;
}

const nobody = hash('');

async function verify(password: string, kept: string): Promise<boolean> {
  const [salt = '', wanted = ''] = kept.split(':');
  const made = await hash(password, Buffer.from(salt, 'hex'));
  return timingSafeEqual(Buffer.from(made.split(':')[1] ?? '', 'hex'), Buffer.from(wanted, 'hex'));
}
