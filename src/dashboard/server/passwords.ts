// Hashes of passwords: scrypt$<log2 of N>$<r>$<p>$<salt>$<hash>, salt and hash in base64url. A line of the file of users is a name,
// a role and a hash: alice admin scrypt$15$8$1$…$…, or an e-mail, a role and '-' for who has no password and logs in with a provider.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../errors.ts';
import { type Account, readRole, rights, roles } from './users.ts';

/** Each check of a password takes 32 MiB and some tens of milliseconds. */
const cost = { log2N: 15, r: 8, p: 1 };
const hashLength = 32;
/** Stands for the hash of a user who has no password. */
const noPassword = '-';
/** Hashes that need more bytes are refused: checking them could exhaust the server's memory. */
const maxMemory = 256 * 2 ** 20;

export async function hashedPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const { log2N, r, p } = cost;
  const hash = await derived(password, salt, log2N, r, p);
  return ['scrypt', log2N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** @throws ConfigError when `hashed` is not in the format of `hashedPassword` */
export async function isPassword(password: string, hashed: string): Promise<boolean> {
  const [, log2N = '', r = '', p = '', salt = '', hash = ''] = partsOf(hashed) ?? broken();
  const expected = Buffer.from(hash, 'base64url');
  const found = await derived(password, Buffer.from(salt, 'base64url'), Number(log2N), Number(r), Number(p));
  return expected.length === found.length && timingSafeEqual(expected, found);
}

/** The users of a file, by name. @throws ConfigError naming the line */
export function readAccounts(text: string, file: string): ReadonlyMap<string, Account> {
  const accounts = new Map<string, Account>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    const [name = '', roleName = '', hash = ''] = words;
    if (name === '' || name.startsWith('#')) continue;
    const wrong = (why: string): never => {
      throw new ConfigError(`${file}, line ${index + 1}: ${why}; umbel flower passwd writes such lines`);
    };
    const role = readRole(roleName);
    if (role === null)
      return wrong(
        `'${name}' must be followed by its role: ${roles.join(', ')}; rights may be added or taken away, as in operator+purge-send: ${Object.keys(rights).join(', ')}`,
      );
    if ((hash !== noPassword && partsOf(hash) === null) || words.length > 3)
      return wrong(`the hash of the password of '${name}' is malformed`);
    if (accounts.has(name)) return wrong(`'${name}' is listed twice`);
    accounts.set(name, { name, ...role, hash: hash === noPassword ? null : hash });
  }
  return accounts;
}

/** The text of the file after the user's line was added or replaced. */
export function withAccount(text: string, { name, role, changes = '', hash }: Account): string {
  const lines = text.split('\n').filter((line) => line.trim().split(/\s+/)[0] !== name);
  while (lines.at(-1) === '') lines.pop();
  return `${[...lines, `${name} ${role}${changes} ${hash ?? noPassword}`].join('\n')}\n`;
}

function partsOf(hashed: string): RegExpExecArray | null {
  const parts = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d)\$([\w-]{16,})\$([\w-]{32,})$/.exec(hashed);
  if (parts === null) return null;
  const [, log2N, r, p] = parts.map(Number);
  const isSane =
    (log2N ?? 0) >= 1 && (r ?? 0) >= 1 && (p ?? 0) >= 1 && memoryOf(log2N ?? 99, r ?? 99) <= maxMemory;
  return isSane ? parts : null;
}

function broken(): never {
  throw new ConfigError(
    'the hash of a password in the file of users is malformed; umbel flower passwd writes a new one',
  );
}

function memoryOf(log2N: number, r: number): number {
  return 128 * 2 ** log2N * r;
}

function derived(password: string, salt: Buffer, log2N: number, r: number, p: number): Promise<Buffer> {
  const options = { N: 2 ** log2N, r, p, maxmem: 2 * memoryOf(log2N, r) };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hashLength, options, (error, hash) =>
      error === null ? resolve(hash) : reject(error),
    );
  });
}
