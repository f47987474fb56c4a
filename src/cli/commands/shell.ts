import { createInterface } from 'node:readline';
import { type REPLServer, start } from 'node:repl';
import { PassThrough, Writable } from 'node:stream';
import { inspect } from 'node:util';
import { Command } from 'commander';
import type { App } from '../../app/app.ts';
import * as canvas from '../../app/compose.ts';
import { fileOfApp, loadModule } from '../../app/load-app.ts';
import * as outcomes from '../../app/running/outcome.ts';
import type { AnyTask } from '../../app/task.ts';
import { crontab } from '../../schedules/crontab.ts';
import { every } from '../../schedules/every.ts';
import { solar } from '../../schedules/solar.ts';
import { appSpec, type CommonOptions, optionsOf, withApp } from '../common.ts';
import { exitCode, UsageError } from '../usage.ts';

/** `umbel shell`: a prompt with the application, its tasks and the canvas. */
export function shellCommand(): Command {
  return new Command('shell')
    .description('Open a prompt with the application and its tasks: await add.delay(2, 3).')
    .option('-T, --without-tasks', 'Do not define the tasks by their short names; use `tasks`.')
    .addHelpText(
      'after',
      `
Defined are app, tasks (by full name), each task by the last part of its name
and by the name of its export; chain, group, chord,
chunks, map, starmap; crontab, every, solar. Expressions may await. Ctrl-D ends it.

Examples:
  umbel -A ./app.ts shell
  echo "(await add.delay(2, 3)).get()" | umbel -A ./app.ts shell`,
    )
    .action((_: unknown, command: Command) => shell(optionsOf<ShellOptions>(command)));
}

interface ShellOptions extends CommonOptions {
  readonly withoutTasks?: boolean;
}

async function shell(options: ShellOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const short = options.withoutTasks ? {} : byShortName(app);
    const atHand = {
      ...canvas,
      ...outcomes,
      crontab,
      every,
      solar,
      ...short,
      ...(await exported(options)),
      app,
      tasks: byName(app),
    };
    const write = (value: unknown): string => inspect(value, { colors: output.colors, depth: 5 });
    if (process.stdin.isTTY !== true) return script(atHand, write);
    output.say(`${output.bold(app.name)} on ${app.config.broker}`);
    output.say(output.dim(`defined: app, tasks, ${Object.keys(short).join(', ') || 'no task'}`));
    const repl = start({
      prompt: `${app.name}> `,
      useColors: output.colors,
      ignoreUndefined: true,
      writer: write,
    });
    define(repl, atHand);
    await new Promise<void>((resolve) => repl.once('exit', resolve));
  });
}

/** Runs piped input line by line, each after the previous one has ended. The first error ends it. */
async function script(atHand: object, writer: (value: unknown) => string): Promise<void> {
  const input = new PassThrough();
  let asked: () => void = () => undefined;
  const now: { state: 'asks' | 'in the midst' | 'failed' } = { state: 'asks' };
  const output = new Writable({
    decodeStrings: false,
    write: (text: string, _, done) => {
      if (text === prompt || goesOn.test(text)) {
        if (now.state !== 'failed') now.state = text === prompt ? 'asks' : 'in the midst';
        asked();
      } else {
        if (text.startsWith('Uncaught')) now.state = 'failed';
        (now.state === 'failed' ? process.stderr : process.stdout).write(text);
      }
      done();
    },
  });
  const repl = start({ input, output, prompt, terminal: false, ignoreUndefined: true, writer });
  define(repl, atHand);
  for await (const line of createInterface({ input: process.stdin })) {
    const answered = new Promise<void>((resolve) => (asked = resolve));
    input.write(`${line}\n`);
    await answered;
    if (now.state === 'failed') break;
  }
  repl.close();
  if (now.state === 'failed') process.exitCode = exitCode.failed;
  if (now.state === 'in the midst') throw new UsageError('the input ends within a statement');
}

const prompt = '\0';
const goesOn = /^(?:\.\.\. |\| )+$/;

function define({ context }: REPLServer, atHand: object): void {
  for (const [name, value] of Object.entries(atHand))
    Object.defineProperty(context, name, { value, configurable: true, enumerable: true, writable: true });
}

function byName(app: App): Readonly<Record<string, AnyTask>> {
  return Object.fromEntries(app.tasks.names().flatMap((name) => pair(name, app.tasks.get(name))));
}

/** Tasks by the names under which the module of the application exports them. */
async function exported(options: ShellOptions): Promise<Readonly<Record<string, unknown>>> {
  const spec = appSpec(options);
  if (spec === undefined || options.withoutTasks) return {};
  const module = await loadModule(fileOfApp(spec)); // already loaded
  return Object.fromEntries(
    Object.entries(module).filter(([name, value]) => name !== 'default' && isTask(value)),
  );
}

function isTask(value: unknown): boolean {
  return typeof value === 'function' && 'applyAsync' in value;
}

/** `shop.add` as `add`, if that is a valid name and no other task has it. */
function byShortName(app: App): Readonly<Record<string, AnyTask>> {
  const short = new Map<string, AnyTask | null>();
  for (const name of app.tasks.names()) {
    if (name.startsWith('celery.')) continue;
    const last = name.slice(name.lastIndexOf('.') + 1);
    short.set(last, short.has(last) ? null : (app.tasks.get(name) ?? null));
  }
  return Object.fromEntries(
    [...short].flatMap(([name, task]) =>
      /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? pair(name, task) : [],
    ),
  );
}

function pair(name: string, task: AnyTask | null | undefined): [string, AnyTask][] {
  return task === null || task === undefined ? [] : [[name, task]];
}
