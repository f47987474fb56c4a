// What happened to each message in a Redis, read from its append-only file: the effects of all commands, in their order, with all bytes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes a server write such a file, as commands from its first to its last: a command is in it before it is answered. */
export const appendLog: readonly string[] = [
  // Elsewise a command may be written up to two seconds later, when the disk is busy.
  '--appendfsync',
  'no',
  '--appendonly',
  'yes',
  '--aof-use-rdb-preamble',
  'no',
  '--auto-aof-rewrite-percentage',
  '0',
];

/** Where a message went when it left its list. */
export type Taken =
  /** In one step with the pop it was written down as held: what a worker of ours does. */
  | 'ours'
  /** It was popped alone, and written down as held (`unacked`) by a later command: kombu's way. */
  | 'python'
  /** It was popped alone, and nothing was ever written down of it. */
  | 'python, and forgotten';

/** Who took the messages of this list that contain `id`, the last one last. */
export function takers(folder: string, list: string, id: string): Taken[] {
  const taken: Taken[] = [];
  const named = new RegExp(`\\\\?"id\\\\?": ?\\\\?"${id}\\\\?"`);
  const waiting: string[] = [];
  for (const block of blocks(commandsOf(folder))) {
    for (const [name = '', key, ...values] of block) {
      const held = values.some((value) => named.test(value));
      if (key === list) {
        if (name === 'LPUSH') for (const value of values) waiting.unshift(value);
        else if (name === 'RPUSH') waiting.push(...values);
        else if (name === 'LMOVE') {
          if (named.test(waiting.pop() ?? '')) taken.push('ours');
        } else if (name === 'RPOP' || name === 'LTRIM') {
          // Ours cuts off the end of the list (`LTRIM q 0 -2`) what it has written down before.
          const count = name === 'RPOP' ? Number(values[0] ?? 1) : -1 - Number(values[1]);
          const popped = Array.from({ length: count }, () => waiting.pop());
          if (popped.some((value) => named.test(value ?? '')))
            taken.push(isHeldIn(block, named) ? 'ours' : 'python, and forgotten');
        }
      } else if (name === 'HSET' && key === 'unacked' && held) taken[taken.length - 1] = 'python';
    }
  }
  return taken;
}

function isHeldIn(block: readonly (readonly string[])[], named: RegExp): boolean {
  return block.some(
    ([name, key = '', ...values]) =>
      name === 'HSET' && key.startsWith('umbel:claimed:') && values.some((value) => named.test(value)),
  );
}

/** Of database 0. What was done in one step, by a script or a transaction, is one block. */
function blocks(commands: readonly (readonly string[])[]): string[][][] {
  const all: string[][][] = [];
  let open: string[][] | null = null;
  let db = '0';
  for (const [first = '', ...rest] of commands) {
    const command = [first.toUpperCase(), ...rest];
    const [name, key = ''] = command;
    if (name === 'MULTI') open = [];
    else if (name === 'EXEC') {
      if (open !== null) all.push(open);
      open = null;
    } else if (name === 'SELECT') db = key;
    else if (db === '0') {
      if (open === null) all.push([command]);
      else open.push(command);
    }
  }
  return all;
}

function commandsOf(folder: string): string[][] {
  const files = readdirSync(join(folder, 'appendonlydir')).filter((name) => name.endsWith('.incr.aof'));
  return files.sort().flatMap((name) => parse(readFileSync(join(folder, 'appendonlydir', name))));
}

/** RESP: `*2 $3 GET $1 k`; a last command that is cut short is left out. */
function parse(bytes: Buffer): string[][] {
  const commands: string[][] = [];
  let at = 0;
  const number = (mark: string): number => {
    const end = bytes.indexOf('\r\n', at);
    if (end === -1 || bytes.toString('latin1', at, at + 1) !== mark) return Number.NaN;
    const value = Number(bytes.toString('latin1', at + 1, end));
    at = end + 2;
    return value;
  };
  for (;;) {
    if (bytes.toString('latin1', at, at + 1) === '#') {
      at = bytes.indexOf('\n', at) + 1; // a note of the time
      continue;
    }
    const count = number('*');
    if (Number.isNaN(count)) return commands;
    const command: string[] = [];
    for (let n = 0; n < count; n++) {
      const length = number('$');
      if (Number.isNaN(length) || at + length > bytes.length) return commands;
      command.push(bytes.toString('utf8', at, at + length));
      at += length + 2;
    }
    commands.push(command);
  }
}
