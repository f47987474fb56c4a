// A signal to stop, at every moment of a command's life: it ends. Each moment is one that the program itself tells of.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { within } from '../until.ts';
import { project, start } from './harness.ts';

/** What each moment is, as the module of the App brings it about; and what is said when it has come. */
const moments = {
  'its module computes without end': ['', 'console.log("moment"); for (;;);'],
  'its module waits without end': [
    '',
    'console.log("moment"); await new Promise(() => setInterval(() => {}, 1e6));',
  ],
  'its module waits, and listens to signals itself': [
    '',
    'for (const each of ["SIGTERM", "SIGINT"]) process.on(each, () => console.log("heard")); console.log("moment"); await new Promise(() => {});',
  ],
  'a hook of its start hangs': [
    'const hang = () => { console.log("moment"); return new Promise(() => {}); }; app.signals.workerInit.connect(hang); app.signals.beatInit.connect(hang);',
    '',
  ],
  'a hook of its readiness hangs': [
    'app.signals.workerReady.connect(() => { console.log("moment"); return new Promise(() => {}); });',
    '',
  ],
  'it runs': ['', 'setTimeout(() => console.log("moment"), 0);'],
} as const;

type Moment = keyof typeof moments;

function appAt(moment: Moment): string {
  const [app, module] = moments[moment];
  return `import { App } from 'umbel';
export const app = new App('shop');
${app}
${module}
`;
}

const worker = ['worker', '--log-format', 'json'];

describe('a signal to stop ends', () => {
  test.each<[Moment, readonly string[], NodeJS.Signals, RegExp?]>([
    ['its module computes without end', worker, 'SIGTERM'],
    ['its module waits without end', worker, 'SIGINT'],
    ['its module waits, and listens to signals itself', worker, 'SIGTERM'],
    ['a hook of its start hangs', worker, 'SIGINT'],
    ['a hook of its readiness hangs', worker, 'SIGTERM'],
    ['it runs', worker, 'SIGINT', /ready/],
    ['its module waits, and listens to signals itself', ['beat'], 'SIGINT'],
    ['a hook of its start hangs', ['beat', '--lease', '1'], 'SIGTERM'],
    ['it runs', ['beat'], 'SIGINT', /ready/],
    ['its module waits, and listens to signals itself', ['gateway', '--port', '0'], 'SIGTERM'],
    ['it runs', ['gateway', '--port', '0'], 'SIGINT', /listens on/],
    ['it runs', ['events', '--dump'], 'SIGTERM', /Listening/],
    ['it runs', ['top', '--json', '-i', '100ms'], 'SIGINT', /queues/],
  ])('when %s: umbel %j, %s', async (moment, command, signal, said = /moment/) => {
    const program = start(project({ 'app.js': appAt(moment) }), ['-A', './app.js', ...command]);
    await program.said(said);
    program.kill(signal);
    await within(program.ended, `the end of umbel ${command[0]}`);
  });

  test.each<[readonly string[], NodeJS.Signals]>([
    [worker, 'SIGTERM'],
    [['events', '--dump'], 'SIGINT'],
    [['status'], 'SIGTERM'],
  ])('when the broker is silent: umbel %j', async (command, signal) => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const asked = once(server, 'connection');
    const broker = `redis://127.0.0.1:${(server.address() as AddressInfo).port}/0`; // of TCP
    const app = appAt('it runs').replace("App('shop')", `App('shop', { broker: '${broker}' })`);
    const program = start(project({ 'app.js': app }), ['-A', './app.js', ...command]);
    const [socket] = await within(asked, 'a connection');
    onTestFinished(() => void socket.destroy());
    // A worker's log says it.
    if (command !== worker) await program.said(/waiting for the broker redis:/);
    program.kill(signal);
    await within(program.ended, `the end of umbel ${command[0]}`);
  });

  test('SIGHUP while a worker starts: it starts again', async () => {
    const program = start(
      project({
        'app.js': `import { App } from 'umbel';
const waiting = setInterval(() => {}, 1e6);
const awaited = new Promise((resolve) => process.once('SIGUSR2', resolve));
console.log('loads');
await awaited;
clearInterval(waiting);
export const app = new App('shop');
`,
      }),
      ['-A', './app.js', ...worker],
    );
    await program.said(/loads/);
    program.kill('SIGHUP');
    program.kill('SIGUSR2');
    await program.said(/loads/, 2);
    expect(program.stderr).not.toMatch(/ready/);
    program.kill('SIGTERM');
    await within(program.ended, 'the end of the worker');
  });
});

needs(test, inLongRun)(
  'a worker whose module is slow ends by a signal at any time of its start',
  async () => {
    const app = `import { App } from 'umbel';
await new Promise((resolve) => setTimeout(resolve, 800));
export const app = new App('shop');
`;
    const folder = project({ 'app.js': app });
    for (let afterMs = 0; afterMs < 2000; afterMs += 25) {
      const program = start(folder, ['-A', './app.js', ...worker]);
      await once(program.child, 'spawn');
      await sleep(afterMs);
      program.kill(afterMs % 50 === 0 ? 'SIGTERM' : 'SIGINT');
      await within(program.ended, `the end of a worker that got its signal after ${afterMs} ms`);
    }
  },
  900_000,
);
