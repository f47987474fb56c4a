import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Command, Option } from 'commander';
import { hashedPassword, readAccounts, withAccount } from '../../dashboard/server/passwords.ts';
import { readRole, rights, roles, type User } from '../../dashboard/server/users.ts';
import { UsageError } from '../usage.ts';

/** `umbel flower passwd FILE NAME`: adds a user to the file of users, or changes one. */
export function passwdCommand(): Command {
  return new Command('passwd')
    .description('Add a user to the file of --users, or change one; asks for the password.')
    .argument('<file>', 'The file of users; it is made if it is not there.')
    .argument('<name>', 'The name of the user.')
    .addOption(
      new Option(
        '--role <role>',
        `What the user may do: ${roles.join(', ')}, or a role with rights added and taken away: operator+purge-send.`,
      )
        .argParser(roleOf)
        .default({ role: 'viewer' }, 'viewer'),
    )
    .addHelpText(
      'after',
      `
Examples:
  umbel flower passwd users.txt alice --role operator
  umbel flower passwd users.txt bob --role operator+purge-send
  echo "$PASSWORD" | umbel flower passwd users.txt ci`,
    )
    .action(passwd);
}

async function passwd(
  file: string,
  name: string,
  { role }: { readonly role: Pick<User, 'role' | 'changes'> },
): Promise<void> {
  if (!/^[^\s:#][^\s:]*$/.test(name))
    throw new UsageError(`'${name}' cannot be the name of a user: no blanks, no ':'`);
  const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new UsageError(`cannot read ${file}: ${error.message}`, { cause: error });
  });
  readAccounts(before, file); // what is wrong in it is said before the password is asked for
  const hash = await hashedPassword(await askedPassword(name));
  const half = `${file}.${randomUUID()}.half`;
  await writeFile(half, withAccount(before, { name, ...role, hash }), { mode: 0o600 });
  await rename(half, file); // in one step: a dashboard may be reading it
  process.stdout.write(`${name} may log in as ${role.role}${role.changes ?? ''}\n`);
}

/** @throws UsageError */
function roleOf(text: string): Pick<User, 'role' | 'changes'> {
  const role = readRole(text);
  if (role !== null) return role;
  throw new UsageError(
    `there is no role '${text}': ${roles.join(', ')}, or one of them with rights added (+) and taken away (-): ${Object.keys(rights).join(', ')}`,
  );
}

/** From a terminal unseen, and twice; else the first line of standard input. */
async function askedPassword(name: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: isTerminal });
  const lines = terminal[Symbol.asyncIterator]();
  const ask = async (question: string): Promise<string> => {
    if (isTerminal) process.stderr.write(question);
    const { value, done } = await lines.next();
    if (isTerminal) process.stderr.write('\n');
    return done ? '' : value;
  };
  try {
    const password = await ask(`Password of ${name}: `);
    if (password === '')
      throw new UsageError(
        'there is no password; write it, or send it: echo "$PASSWORD" | umbel flower passwd …',
      );
    if (isTerminal && (await ask('Once more: ')) !== password)
      throw new UsageError('these are two different passwords');
    return password;
  } finally {
    terminal.close();
  }
}
