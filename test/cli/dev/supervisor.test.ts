// The programs of `umbel dev`, played by the test: it says when one is ready, and when it ends.
import { expect, test } from 'vitest';
import type { ChildEvents, Launch } from '../../../src/cli/dev/child.ts';
import { devLog } from '../../../src/cli/dev/log.ts';
import { type DevChoices, programsOf } from '../../../src/cli/dev/programs.ts';
import { Supervisor } from '../../../src/cli/dev/supervisor.ts';
import { FakeClock } from '../../../src/testing/fake-clock.ts';

const all: DevChoices = { app: './app.ts', gateway: true, dashboard: true, beat: true, graceMs: 5000 };

interface Played extends ChildEvents {
  readonly commandLine: string;
  readonly signals: string[];
  isOver: boolean;
}

function stage(choices: Partial<DevChoices> = {}, watches = true) {
  const played: Played[] = [];
  const clock = new FakeClock();
  let screen = '';
  const launch: Launch = (what, events) => {
    const signals: string[] = [];
    const commandLine = typeof what === 'string' ? what : what.join(' ');
    const program: Played = { ...events, commandLine, signals, isOver: false };
    played.push(program);
    return {
      signal: (signal) => void signals.push(signal),
      kill: () => void signals.push('SIGKILL'),
    };
  };
  const log = devLog((text) => (screen += text), { colored: false });
  const programs = programsOf({ ...all, ...choices });
  const supervisor = new Supervisor({ programs, launch, log, stopMs: 10_000, watches, clock });
  const ends = (name: string, code: number | null, signal: NodeJS.Signals | null = null): void => {
    const program = running(name);
    program.isOver = true;
    program.ended(code, signal);
  };
  const living = (): readonly Played[] => played.filter(({ isOver }) => !isOver);
  const running = (name: string): Played => {
    const found = living().find(({ commandLine }) => commandLine.split(' ')[2] === name);
    if (found === undefined) throw new Error(`no ${name} runs`);
    return found;
  };
  const loads = (name: string): void =>
    running(name).news({ kind: 'loaded', app: 'shop', broker: 'sqlite://x', tasks: 1 });
  const isReady = (name: string, url?: string): void => {
    loads(name);
    running(name).news({ kind: 'ready', ...(url !== undefined && { url }) });
  };
  /** Those that run now, in the order of their starts. */
  const names = (): readonly (string | undefined)[] =>
    living().map(({ commandLine }) => commandLine.split(' ')[2]);
  const allReady = (): void => {
    isReady('worker');
    isReady('beat');
    isReady('gateway', 'http://127.0.0.1:8003');
    isReady('flower', 'http://127.0.0.1:5555');
  };
  return { supervisor, clock, ends, running, loads, isReady, allReady, names, played, screen: () => screen };
}

test('the worker starts first, and the others when the application has loaded', () => {
  const { supervisor, names, loads, allReady, screen } = stage();
  supervisor.start();
  expect(names()).toEqual(['worker']);
  loads('worker');
  expect(names()).toEqual(['worker', 'beat', 'gateway', 'flower']);
  allReady();
  expect(screen()).toBe(`dev       | shop on sqlite://x: 1 task
dev       | gateway on http://127.0.0.1:8003, API docs http://127.0.0.1:8003/docs
dev       | dashboard on http://127.0.0.1:5555
dev       | ready after 0.0 s. Ctrl-C stops it
`);
});

test('after a change the worker is asked once to stop, and all start again, on the ports of before', () => {
  const { supervisor, names, running, ends, loads, allReady, screen } = stage();
  supervisor.start();
  allReady();
  const worker = running('worker');
  supervisor.codeChanged(['src/app.ts']);
  supervisor.codeChanged(['src/app.ts', 'src/b.ts', 'src/c.ts']);
  expect(worker.signals).toEqual(['SIGTERM']);
  expect(running('gateway').signals).toEqual([]);
  ends('worker', 0);
  expect(running('gateway').signals).toEqual([]);
  loads('worker');
  expect(running('gateway').signals).toEqual(['SIGTERM']);
  for (const name of ['gateway', 'flower', 'beat']) ends(name, 0);
  expect(names()).toEqual(['worker', 'gateway', 'flower', 'beat']);
  expect(running('gateway').commandLine).toContain('--port 8003');
  allReady();
  expect(screen()).toContain('src/app.ts changed: starting again\n');
  expect(screen()).toContain('src/app.ts and 2 files more changed: starting again\n');
  expect(screen().match(/ready after/g)).toHaveLength(2);
});

test('code that does not load is waited for, and the others go on', async () => {
  const { supervisor, names, running, ends, loads, clock, screen } = stage({ beat: false });
  supervisor.start();
  ends('worker', 1);
  expect(screen()).toBe('dev       | worker did not start: waiting for a change\n');
  supervisor.codeChanged(['app.ts']);
  loads('worker');
  expect(names()).toEqual(['worker', 'gateway', 'flower']);
  running('gateway').news({ kind: 'ready', url: 'http://127.0.0.1:1' });
  running('flower').news({ kind: 'ready', url: 'http://127.0.0.1:2' });
  supervisor.codeChanged(['app.ts']);
  ends('worker', 0);
  running('worker').line('umbel: cannot load');
  ends('worker', 1);
  await clock.advance(60_000);
  expect(names()).toEqual(['gateway', 'flower']);
  expect(screen()).toContain(`worker    | umbel: cannot load
dev       | worker did not start: waiting for a change; gateway and dashboard go on with the code before
`);
});

test('a program that dies is started again, later each time, and the others are left alone', async () => {
  const { supervisor, names, running, ends, allReady, isReady, clock, screen } = stage();
  supervisor.start();
  allReady();
  ends('worker', null, 'SIGKILL');
  await clock.advance(999);
  expect(names()).not.toContain('worker');
  await clock.advance(1);
  isReady('worker');
  expect(running('gateway').signals).toEqual([]);
  ends('worker', 1);
  await clock.advance(2000);
  isReady('worker');
  await clock.advance(10_000); // it is well
  ends('worker', 1);
  await clock.advance(1000);
  expect(names()).toContain('worker');
  expect(screen().match(/worker ended by itself .*/g)).toEqual([
    'worker ended by itself (SIGKILL); it is started again in 1 s',
    'worker ended by itself (exit code 1); it is started again in 2 s',
    'worker ended by itself (exit code 1); it is started again in 1 s',
  ]);
  // A change does not wait for that.
  ends('worker', 1);
  supervisor.codeChanged(['app.ts']);
  expect(names()).toContain('worker');
});

test('a worker that does not stop is killed, and the new code starts', async () => {
  const { supervisor, running, ends, names, allReady, clock, screen } = stage();
  supervisor.start();
  allReady();
  const stuck = running('worker');
  supervisor.codeChanged(['app.ts']);
  await clock.advance(9999);
  expect(stuck.signals).toEqual(['SIGTERM']);
  await clock.advance(1);
  expect(stuck.signals).toEqual(['SIGTERM', 'SIGKILL']);
  expect(screen()).toContain('worker has not stopped after 10 s: it is killed\n');
  ends('worker', null, 'SIGKILL');
  expect(names()).toContain('worker');
});

test('a stop lets all finish; asked again, they give back what they do', async () => {
  const { supervisor, played, ends, names, allReady } = stage();
  supervisor.start();
  allReady();
  const stopped = supervisor.stop();
  expect(played.map(({ signals }) => signals)).toEqual(Array(4).fill(['SIGTERM']));
  supervisor.hurry();
  expect(played.map(({ signals }) => signals)).toEqual(Array(4).fill(['SIGTERM', 'SIGQUIT']));
  for (const name of ['worker', 'beat', 'gateway', 'flower']) ends(name, 0);
  await stopped;
  expect(names()).toEqual([]);
  expect(await supervisor.ended).toBe(0);
  supervisor.codeChanged(['app.ts']);
  expect(names()).toEqual([]);
});

test('what a change of the code would not mend ends it at the first start, and with --no-watch every refusal', async () => {
  const refused = stage();
  refused.supervisor.start();
  refused.ends('worker', 2);
  expect(await refused.supervisor.ended).toBe(2);
  const unwatched = stage({}, false);
  unwatched.supervisor.start();
  unwatched.ends('worker', 1);
  expect(await unwatched.supervisor.ended).toBe(1);
});

test('the programs get what dev was told', () => {
  const lines = (choices: Partial<DevChoices>): readonly string[] =>
    [...programsOf({ ...all, ...choices }).values()].map((start) =>
      typeof start === 'string' ? start : start(undefined).join(' '),
    );
  expect(lines({})).toEqual([
    '-A ./app.ts worker --quiet --shutdown-timeout 5000ms --log-format pretty',
    '-A ./app.ts beat --log-format pretty',
    '-A ./app.ts gateway --host 127.0.0.1 -l warning --log-format pretty',
    '-A ./app.ts flower --address 127.0.0.1 -l warning --log-format pretty',
  ]);
  const chosen = {
    broker: 'redis://h/0',
    resultBackend: 'redis://h/1',
    color: false,
    debug: true,
    beat: false,
  };
  const ofWorker = { concurrency: 2, queues: ['a', 'b'], pool: 'threads', loglevel: 'debug', graceMs: 0 };
  const common = '-A ./app.ts -b redis://h/0 --result-backend redis://h/1 --no-color --debug';
  expect(lines({ ...chosen, ...ofWorker, port: 1, dashboardPort: 2 })).toEqual([
    `${common} worker --quiet -c 2 -Q a,b -P threads --shutdown-timeout 0ms -l debug --log-format pretty`,
    `${common} gateway --host 127.0.0.1 --port 1 -l debug --log-format pretty`,
    `${common} flower --address 127.0.0.1 --port 2 -l debug --log-format pretty`,
  ]);
  expect(lines({ gateway: false, dashboard: false, beat: false })).toHaveLength(1);
  expect(lines({ run: [{ name: 'web', command: 'node server.js' }] }).at(-1)).toBe('node server.js');
});

test('a program of the user’s starts with the others, and again when the code changes or it dies; not when it has done its work', async () => {
  const run = [
    { name: 'web', command: 'node server.js web' },
    { name: 'assets', command: 'npx bundle assets' },
  ];
  const few = { beat: false, gateway: false, dashboard: false };
  const { supervisor, names, running, ends, loads, isReady, clock, screen } = stage({ ...few, run });
  supervisor.start();
  expect(names()).toEqual(['worker']);
  isReady('worker');
  expect(names()).toEqual(['worker', 'web', 'assets']);
  expect(screen()).toContain('ready after');
  ends('assets', 0);
  ends('web', 1);
  await clock.advance(60_000);
  expect(names()).toEqual(['worker', 'web']);
  expect(screen()).toContain('assets has ended (exit code 0): it is started again after a change\n');
  expect(screen()).toContain('web ended by itself (exit code 1); it is started again in 1 s\n');

  supervisor.codeChanged(['server.ts']);
  expect(running('web').signals).toEqual([]);
  ends('worker', 0);
  loads('worker');
  expect(running('web').signals).toEqual(['SIGTERM']);
  ends('web', 0);
  isReady('worker');
  expect(names()).toEqual(['worker', 'assets', 'web']);
  expect(screen().match(/ready after/g)).toHaveLength(2);
  const stopped = supervisor.stop();
  expect(running('web').signals).toEqual(['SIGTERM']);
  for (const name of ['worker', 'web', 'assets']) ends(name, 0);
  await stopped;
});

test('each line has the name of its program, in its colour on a terminal', () => {
  let screen = '';
  const log = devLog((text) => (screen += text), { colored: true });
  log.line('beat', 'leading');
  log.say('ready');
  expect(screen).toBe('\u001b[35mbeat      | \u001b[39mleading\n\u001b[33mdev       | \u001b[39mready\n');
});
