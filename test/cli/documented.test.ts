// Each command line that the documentation and the help show is one that the program understands.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, CommanderError } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { schemaOf } from './config-schema.ts';

interface Shown {
  readonly where: string;
  readonly words: readonly string[];
  /** Only a part of a line, in the midst of a sentence: it may leave out what must be there. */
  readonly isPart: boolean;
}

const root = new URL('../../', import.meta.url).pathname;
const pages = [
  'README.md',
  ...(readdirSync(join(root, 'docs'), { recursive: true }) as string[]).map((file) => join('docs', file)),
  ...readdirSync(join(root, 'examples')).map((name) => join('examples', name, 'README.md')),
].filter(
  (file) => file.endsWith('.md') && !file.startsWith(join('docs', 'site')) && existsSync(join(root, file)),
);

function* every(command: Command): Iterable<Command> {
  yield command;
  for (const child of command.commands) yield* every(child);
}

/** The words of a line as a shell has them; of `[--offline]` and `redis|rabbitmq` what one would type. */
function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"(?:[^"\\]|\\.)*"|[^\s'"])+/g)) {
    if (/^(?:\||\|\||&&?|;|\d?>>?|<|#)/.test(word)) break;
    const plain = word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"/g, (_, one, two) => one ?? two);
    const typed = /^['"]/.test(word)
      ? plain
      : plain.replace(/^\[|\]$/g, '').replace(/^([\w-]+)(?:\|[\w-]+)+$/, '$1');
    words.push(typed.replace(/\)$/, (end) => (/^[\w-]+\)$/.test(typed) ? '' : end)));
    if (word.endsWith(';')) break;
  }
  return words;
}

function* shownIn(where: string, text: string): Iterable<Shown> {
  let isCode = false;
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${where}:${index + 1}`;
    if (line.startsWith('```')) isCode = !isCode;
    else if (isCode) {
      const typed = /^(?:\$ )?(?:\w+=\S+ )*(?:echo .* \| |source <\()?(?:npx )?umbel (?!\d|\w+ \d)(.*)$/.exec(
        line,
      )?.[1];
      if (typed !== undefined && !typed.includes(' · '))
        yield { where: at, words: wordsOf(typed), isPart: false };
    } else
      for (const [, typed = ''] of line.matchAll(/`(?:npx )?umbel ([^`]+)`/g))
        yield { where: at, words: wordsOf(typed.replaceAll('…', '')), isPart: true };
  }
}

/** What the program says against it; null: nothing. */
async function refusal(words: readonly string[]): Promise<CommanderError | null> {
  const program = createProgram();
  for (const command of every(program)) {
    command.configureOutput({
      outputError: () => undefined,
      writeOut: () => undefined,
      writeErr: () => undefined,
    });
    // The dashboard has a command of its own within it, and is one all the same.
    if (command.commands.length === 0 || command.name() === 'flower') command.action(() => undefined);
  }
  try {
    await program.parseAsync(['node', 'umbel', ...words]);
    return null;
  } catch (error) {
    if (isCommanders(error)) return error.exitCode === 0 ? null : error;
    throw error;
  }
}

/** Not by its class: the package has its own copy of the library. */
function isCommanders(error: unknown): error is CommanderError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

const forgiven = [
  'commander.missingArgument',
  'commander.optionMissingArgument',
  'commander.missingMandatoryOptionValue',
  'commander.help',
];

async function wrong(
  lines: Iterable<Shown>,
): Promise<{ readonly count: number; readonly refused: readonly string[] }> {
  const refused: string[] = [];
  let count = 0;
  for (const { where, words, isPart } of lines) {
    count++;
    const error = await refusal(words);
    if (error === null || (isPart && forgiven.includes(error.code))) continue;
    refused.push(`${where}: umbel ${words.join(' ')}: ${error.message}`);
  }
  return { count, refused };
}

describe('the program understands what is shown', () => {
  test.each(pages)('in %s', async (page) => {
    const { count, refused } = await wrong(shownIn(page, readFileSync(join(root, page), 'utf8')));
    expect(refused).toEqual([]);
    if (page === 'docs/cli.md') expect(count).toBeGreaterThan(40); // they are found
  });

  test('in the help of its commands', async () => {
    let help = '```\n';
    for (const command of every(createProgram())) {
      command.configureOutput({
        getOutHelpWidth: () => 1000,
        writeOut: (part) => {
          help += part;
        },
      });
      command.outputHelp();
    }
    // What an example does stands apart, behind it.
    const lines = help.split('\n').map((line) => line.trim().replace(/\s{2,}.*$/, ''));
    const { count, refused } = await wrong(shownIn('help', lines.join('\n')));
    expect(refused).toEqual([]);
    expect(count).toBeGreaterThan(50);
  });

  test('and nothing else: a wrong option, command or value is found', async () => {
    const page =
      '```\n$ umbel worker --concurency 3\numbel wroker\nnpx umbel call x --countdown soon\n```\nSay `umbel dead shw`.';
    expect((await wrong(shownIn('page', page))).refused).toEqual([
      expect.stringContaining('page:2: umbel worker --concurency 3: '),
      expect.stringContaining('page:3: umbel wroker: '),
      expect.stringContaining('page:4: umbel call x --countdown soon: '),
      expect.stringContaining('page:6: umbel dead shw: '),
    ]);
  });
});

test('docs/cli-options.md has every option of every command', async () => {
  const program = createProgram();
  const common = new Set(program.options.map(({ flags }) => flags));
  let page = `# Options of the command line

Every option of every command, as \`umbel COMMAND --help\` tells it. Those that all commands have are in
[The command line](cli.md#common-options), with what the commands say and do. (Written by its test: \`npx vitest run test/cli/documented.test.ts -u\`.)
`;
  for (const command of every(program)) {
    const own = command.createHelp().visibleOptions(command);
    const rows = own.filter(({ flags, long }) => long !== '--help' && !common.has(flags));
    if (command.parent === null || rows.length === 0) continue;
    const name =
      command.parent.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
    page += `\n## ${name}\n\n${command.description()}\n\n| option | |\n|---|---|\n`;
    for (const { flags, description } of rows)
      page += `| \`${flags.replaceAll('|', '\\|')}\` | ${description.replaceAll('|', '\\|')} |\n`;
  }
  await expect(page).toMatchFileSnapshot(join(root, 'docs/cli-options.md'));
});

test('umbel.config.schema.json has them, too', async () => {
  const text = `${JSON.stringify(schemaOf(createProgram()), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(root, 'umbel.config.schema.json'));
});
