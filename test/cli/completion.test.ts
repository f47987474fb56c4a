// What a shell completes: commands, options, and names of the application.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kindOfArguments, kindOfFlag, safeNames } from '../../src/cli/completion/kinds.ts';
import { completionScript } from '../../src/cli/completion/scripts.ts';
import { nodeOf } from '../../src/cli/completion/tree.ts';
import { createProgram } from '../../src/cli/program.ts';
import { needs, noProgram } from '../needs.ts';
import { command, project, shop, umbel, umbelProcess, workerOf } from './harness.ts';
import { openApp } from './in-process.ts';

const root = nodeOf(createProgram());

/** A command that is there, and takes arguments. */
function* paths(node = root, path = ''): Iterable<string> {
  for (const child of node.commands) {
    const full = path === '' ? child.name : `${path} ${child.name}`;
    yield full;
    yield* paths(child, full);
  }
}

needs(describe, existsSync('/bin/bash') ? undefined : 'no /bin/bash')('bash', () => {
  const script = completionScript(root, 'bash');

  /** What Tab offers at the end of a line; `umbel` prints these names. */
  function complete(
    line: string,
    words: readonly string[],
    names: readonly string[] = [],
  ): readonly string[] {
    const stub = `umbel() { echo "$@" >&3; printf '%s\\n' ${names.map((name) => `'${name}'`).join(' ')}; }`;
    const program = `${stub}\n${script}\nCOMP_LINE="$1"; shift; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _umbel 3> /dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('/bin/bash', ['--norc', '-c', program, 'bash', line, ...words], {
      cwd: '/',
      encoding: 'utf8',
    })
      .trim()
      .split('\n');
  }
  const plain = (line: string, names?: readonly string[]) => complete(line, line.split(' '), names);

  test('completes commands, their commands, and options', () => {
    expect(plain('umbel mig')).toEqual(['migrate']);
    expect(plain('umbel -A ./app.ts dead l')).toEqual(['list']);
    expect(plain('umbel worker --conc')).toEqual(['--concurrency']);
  });

  test('completes the values of an option or an argument that has a list of them', () => {
    expect(plain('umbel init --template mi')).toEqual(['minimal']);
    expect(plain('umbel completion z')).toEqual(['zsh']);
    expect(plain('umbel queues peek mail --first l')).toEqual(['last']);
  });

  test('completes names of tasks and queues, also the last of a list, and where bash splits the word', () => {
    expect(plain('umbel call shop.a', ['shop.add', 'mail.welcome'])).toEqual(['shop.add']);
    expect(plain('umbel worker -Q celery,sl', ['celery', 'slow'])).toEqual(['celery,slow']);
    expect(
      complete('umbel status -d celery@e', ['umbel', 'status', '-d', 'celery', '@', 'e'], ['celery@eu1']),
    ).toEqual(['eu1']);
    expect(complete('umbel worker --queues=s', ['umbel', 'worker', '--queues', '=', 's'], ['slow'])).toEqual([
      'slow',
    ]);
    expect(plain('umbel call --cou', ['shop.add'])).toEqual(['--countdown']);
    expect(plain('umbel call x', ['shop.add'])).toEqual(['']);
  });

  test('a name that would be a command is only text', () => {
    const marker = join(project({}), 'marker');
    expect(plain('umbel call $', [`$(touch ${marker})`])).toEqual([`$(touch ${marker})`]);
    expect(existsSync(marker)).toBe(false);
  });

  test('asks the application of the line', () => {
    const asked = execFileSync(
      '/bin/bash',
      [
        '--norc',
        '-c',
        `umbel() { echo "$*" > asked; }\n${script}\nCOMP_LINE='umbel -A ./app.ts -b redis://h/0 call '; COMP_POINT=\${#COMP_LINE}
COMP_WORDS=(umbel -A ./app.ts -b redis : //h/0 call ''); COMP_CWORD=8; _umbel; cat asked`,
      ],
      { cwd: project({}), encoding: 'utf8' },
    );
    expect(asked).toBe('completion bash --names tasks -A ./app.ts -b redis://h/0\n');
  });
});

const names = ['shop.add', 'mail.welcome', 'celery', 'slow'];
/** Lines before Tab, and after it. */
const completed: Readonly<Record<string, string>> = {
  'umbel mig': 'umbel migrate',
  'umbel -A ./app.ts dead l': 'umbel -A ./app.ts dead list',
  'umbel worker --concurr': 'umbel worker --concurrency',
  'umbel init --template mi': 'umbel init --template minimal',
  'umbel worker --queues sl': 'umbel worker --queues slow',
  'umbel worker --queues=sl': 'umbel worker --queues=slow',
  'umbel worker -Q celery,sl': 'umbel worker -Q celery,slow',
  'umbel call sh': 'umbel call shop.add',
  'umbel call --cou': 'umbel call --countdown',
  'umbel -A ./app.ts mig': 'umbel -A ./app.ts migrate',
  'umbel completion zs': 'umbel completion zsh',
};

needs(describe, noProgram('zsh', '--version', 'zsh'))('zsh', () => {
  // A terminal of zsh's own, in which Tab is pressed. "DO''NE" is not yet the word that is waited for.
  const driver = String.raw`zmodload zsh/zpty
zpty shell 'PS1= TERM=dumb zsh -f -i'
zpty -w shell "source ./setup.zsh; print REA''DY"
zpty -r shell seen '*READY*'
for line in "$@"; do
  zpty -w -n shell "$line"$'\t\x18s'
  zpty -r shell seen '*SHOWN*'
done
zpty -d shell`;
  const setup = (reading: string): string => `umbel() { print -l ${names.join(' ')} }
show() { print -r -- "$LBUFFER" >> shown; BUFFER=; print SHO''WN; }
zle -N show; bindkey '^Xs' show; bindkey '^I' complete-word
${reading}`;

  test.for([
    ['is read by source', 'autoload -Uz compinit; compinit -u -D; source ./functions/_umbel'],
    [
      'is read by source before compinit',
      'compinit() { unfunction compinit; autoload -Uz compinit; compinit -u -D }; source ./functions/_umbel',
    ],
    ['is a file in fpath', 'fpath=(./functions $fpath); autoload -Uz compinit; compinit -u -D'],
  ] as const)('completes commands, options, values and names when the script %s', ([, reading]) => {
    const folder = project({
      'driver.zsh': driver,
      'setup.zsh': setup(reading),
      'functions/_umbel': completionScript(root, 'zsh'),
    });
    execFileSync('zsh', ['-f', './driver.zsh', ...Object.keys(completed)], {
      cwd: folder,
      timeout: 60_000, // a shell that shows nothing would wait without end
    });
    const shown = readFileSync(join(folder, 'shown'), 'utf8').trimEnd().split('\n');
    expect(shown.map((line) => line.trimEnd())).toEqual(Object.values(completed));
  });
});

needs(describe, noProgram('fish', '--version', 'fish'))('fish', () => {
  test('completes commands, options, values and names', () => {
    const folder = project({
      'umbel.fish': `function umbel; printf '%s\\n' ${names.join(' ')}; end\n${completionScript(root, 'fish')}`,
    });
    for (const [line, whole] of Object.entries(completed)) {
      const offered = execFileSync(
        'fish',
        ['--no-config', '-c', `source umbel.fish; complete -C '${line}'`],
        {
          cwd: folder,
          encoding: 'utf8',
          env: { ...process.env, HOME: folder },
        },
      );
      expect(offered.split('\n').map((each) => each.split('\t')[0])).toContain(whole.split(' ').at(-1));
    }
  });
});

test('the commands and options whose words are names are there', () => {
  const all = new Set(paths());
  for (const path of ['call', 'queues peek', 'tasks pause', 'schedule delete']) {
    expect(all).toContain(path);
    expect(kindOfArguments(path)).toBeDefined();
  }
  expect(kindOfFlag('--destination')).toBe('workers');
  expect(kindOfFlag('--concurrency')).toBeUndefined();
});

test('a name that a shell would read in another way is not offered', () => {
  expect(safeNames(['b', 'a', 'a', 'celery@eu1', 'x/y:z', '-rf', 'a b', '$(id)', 'a;b', "it's", ''])).toEqual(
    [...['a', 'b', 'celery@eu1', 'x/y:z']],
  );
});

describe('names', () => {
  const names = async (
    folder: string,
    kind: string,
    ...more: readonly string[]
  ): Promise<readonly string[]> => {
    const { code, stdout, stderr } = await umbel(folder, ['completion', 'bash', '--names', kind, ...more]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.split('\n').filter((name) => name !== '');
  };

  test('of tasks and queues come from the code, and no store is made for them', async () => {
    const folder = project({ 'app.js': shop });
    expect(await names(folder, 'tasks', '-A', './app.js')).toEqual([
      ...['shop.add', 'shop.fail', 'shop.log', 'shop.slow'],
    ]);
    expect(await names(folder, 'queues', '-A', './app.js')).toEqual(['celery']);
    expect(await names(folder, 'workers', '-A', './app.js')).toEqual([]);
    expect(await names(folder, 'schedules', '-A', './app.js')).toEqual([]);
    expect(existsSync(join(folder, '.umbel'))).toBe(false);
  });

  test('are all that is printed, whatever the application prints', async () => {
    const folder = project({
      'app.js': `${shop}\nconsole.log('loaded'); process.stdout.write('really\\n');`,
    });
    expect(await names(folder, 'queues', '-A', './app.js')).toEqual(['celery']);
    const { stdout } = await umbelProcess(folder, '-A ./app.js completion bash --names queues'.split(' '));
    expect(stdout).toBe('celery\n');
  });

  test('of queues with messages, workers and their tasks come from the store', async () => {
    const folder = project({ 'app.js': shop });
    await workerOf(folder);
    const app = await openApp({ folder, env: process.env }, './app.js');
    await app.send('shop.add', [1, 2], { queue: 'slow' });
    expect(await names(folder, 'queues')).toEqual(['celery', 'slow']);
    await expect.poll(() => names(folder, 'workers')).toEqual([expect.stringMatching(/^celery@/)]);
    expect(await names(folder, 'tasks')).toContain('shop.add');
    await app.close();
  });

  test('nothing that answers, and an application that cannot be loaded: no names, and no words', async () => {
    const folder = project({ 'app.js': `throw new Error('broken')` });
    expect(await names(folder, 'tasks', '-A', './app.js')).toEqual([]);
    const away = await umbelProcess(folder, [
      '-b',
      'redis://127.0.0.1:1/0',
      ...'completion bash --names workers'.split(' '),
    ]);
    expect(away).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(command).toContain('main.js');
  });
});
