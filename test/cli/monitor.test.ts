// The screen of `umbel events` and `umbel top`: what is drawn, and what its keys do.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { EventsTab } from '../../src/cli/monitor/events-tab.ts';
import { plain, widthOf } from '../../src/cli/terminal/text.ts';
import type { Answers } from '../../src/control/mailbox.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { command, project, shop, umbel, workerOf } from './harness.ts';

const at = Date.UTC(2026, 10, 21, 12, 0, 0);

function event(type: string, second: number, fields: object = {}) {
  const timestamp = at / 1000 + second;
  return { type, hostname: 'celery@eu1', timestamp, utcoffset: 0, pid: 1, clock: second, ...fields };
}

interface Calls {
  readonly calls: string[];
  size: { width: number; height: number };
  monitor: EventsTab;
  state: ClusterState;
  screen(): string[];
  press(...keys: string[]): void;
}

function setUp(answers: Answers = { replies: new Map([['celery@eu1', { ok: 'done' }]]), silent: [] }): Calls {
  const calls: string[] = [];
  const state = new ClusterState();
  const size = { width: 80, height: 24 };
  const monitor = new EventsTab({
    title: 'umbel events',
    state,
    control: {
      revoke: async (ids) => {
        calls.push(`revoke ${ids}`);
        return answers;
      },
      rateLimit: async (task, rate) => {
        calls.push(`rate_limit ${task} ${rate}`);
        return answers;
      },
    },
    size: () => size,
    changed: () => calls.push('changed'),
    bell: () => calls.push('bell'),
    quit: () => calls.push('quit'),
  });
  return {
    calls,
    size,
    monitor,
    state,
    screen: () => monitor.draw(at + 1000).map(plain),
    press: (...keys) => {
      for (const key of keys) monitor.press(key);
    },
  };
}

function someTasks(state: ClusterState, count = 3): void {
  state.add(event('worker-heartbeat', 0, { freq: 2, active: 1, processed: 4 }), at);
  for (let n = 1; n <= count; n++) {
    const uuid = `0000000${n}-aaaa-bbbb-cccc-000000000000`.slice(-36);
    state.add(event('task-received', n, { uuid, name: 'shop.add', args: `('日本語', ${n})`, kwargs: '{}' }));
    if (n === 2)
      state.add(event('task-failed', n, { uuid, exception: "TypeError('no')", traceback: 'line 1\nline 2' }));
  }
}

test.each([
  [80, 24],
  [200, 50],
  [20, 5],
  [37, 11],
])('at %i columns and %i lines the screen is filled exactly', (width, height) => {
  const { size, state, screen, press } = setUp();
  Object.assign(size, { width, height });
  const expectFilled = (): void => {
    const lines = screen();
    expect(lines).toHaveLength(height);
    for (const line of lines) expect(widthOf(line), line).toBe(width);
  };
  expectFilled();
  someTasks(state, 60);
  expectFilled();
  press('end');
  expectFilled();
  press('i');
  expectFilled();
});

test('tasks stand with the latest first, and their workers, times and states', () => {
  const { state, screen } = setUp();
  someTasks(state);
  expect(
    screen()
      .slice(1, 5)
      .map((line) => line.trimEnd()),
  ).toEqual([
    '  UUID                        TASK               WORKER        TIME     STATE',
    '  00000003-aaaa-bbbb-cccc-00… shop.add           celery@eu1    12:00:03 RECEIVED',
    '  00000002-aaaa-bbbb-cccc-00… shop.add           celery@eu1    12:00:02 FAILURE',
    '  00000001-aaaa-bbbb-cccc-00… shop.add           celery@eu1    12:00:01 RECEIVED',
  ]);
  expect(screen().join('\n')).toContain('events: 5 tasks: 3 workers: 1/1');
});

test('j, k and the arrows move, and what is selected stays selected when others come', () => {
  const { state, screen, press } = setUp();
  someTasks(state);
  const marked = (): string | undefined =>
    screen()
      .find((line) => line.startsWith('> '))
      ?.slice(2, 10);
  expect(marked()).toBeUndefined();
  press('j');
  expect(marked()).toBe('00000003');
  press('down', 'j', 'j');
  expect(marked()).toBe('00000001');
  press('k');
  expect(marked()).toBe('00000002');
  state.add(event('task-received', 9, { uuid: '00000009-new', name: 'shop.add' }));
  expect(marked()).toBe('00000002');
});

test('a list that is longer than the screen follows what is selected', () => {
  const { state, screen, press } = setUp();
  someTasks(state, 60);
  press('end');
  expect(screen().some((line) => line.startsWith('> 00000001'))).toBe(true);
  press('home');
  expect(screen().some((line) => line.startsWith('> 00000060'))).toBe(true);
});

test('i shows what is known, a the arguments, t the traceback, r the result, and any key goes back', () => {
  const { state, screen, press, calls } = setUp();
  someTasks(state);
  press('j', 'j', 't');
  expect(screen().join('\n')).toMatch(/Task Exception Traceback for 00000002.*\n[\s\S]*line 1.*\n.*line 2/);
  press('x', 'r');
  expect(screen().join('\n')).toContain("TypeError('no')");
  press('x', 'a');
  expect(screen().join('\n')).toContain("args: ('日本語', 2)");
  press('x', 'enter');
  expect(screen().join('\n')).toContain('name: shop.add');
  press('x', 'k');
  calls.length = 0;
  press('t'); // there is none: it has not failed
  expect(calls).toEqual(['bell', 'changed']);
});

test('c asks before it revokes, and shows who answered', async () => {
  const { state, screen, press, calls } = setUp({
    replies: new Map([['celery@eu1', { ok: 'tasks flagged as revoked' }]]),
    silent: ['celery@eu2'],
  });
  someTasks(state);
  press('j', 'c');
  expect(screen().at(-1)).toContain('Revoke shop.add 00000003-aaaa-bbbb-cccc-000000000000? (y/n)');
  press('n');
  expect(calls).not.toContain('revoke 00000003-aaaa-bbbb-cccc-000000000000');
  press('c', 'y');
  expect(calls).toContain('revoke 00000003-aaaa-bbbb-cccc-000000000000');
  await Promise.resolve();
  expect(screen().join('\n')).toContain('celery@eu1: tasks flagged as revoked');
  expect(screen().join('\n')).toContain('celery@eu2: no answer');
});

test('l asks for the new rate; escape takes it back', () => {
  const { state, screen, press, calls } = setUp();
  someTasks(state);
  press('j', 'l', '1', '0', '0', 'backspace', '/', 'm');
  expect(screen().at(-1)).toContain('New rate limit of shop.add: 10/m');
  press('enter');
  expect(calls).toContain('rate_limit shop.add 10/m');
  calls.length = 0;
  press('x', 'l', '5', 'escape');
  expect(calls.filter((call) => call.startsWith('rate'))).toEqual([]);
});

test('space holds the list as it is; q and Ctrl-C end, the latter also from a question', () => {
  const { state, screen, press, calls } = setUp();
  someTasks(state);
  press(' ');
  state.add(event('task-received', 9, { uuid: '00000009-new', name: 'shop.add' }));
  expect(screen().join('\n')).not.toContain('00000009-new');
  expect(screen()[0]).toContain('paused');
  press(' ');
  expect(screen().join('\n')).toContain('00000009-new');
  press('j', 'c', 'ctrl-c', 'escape', 'q');
  expect(calls.filter((call) => call === 'quit')).toHaveLength(2);
});

const noPty = existsSync('/usr/bin/script')
  ? undefined
  : 'script(1), which makes a terminal, is not installed';
needs(test, noPty)(
  'on a terminal it draws what happens, and gives the terminal back when it is told to end',
  async () => {
    const folder = project({ 'app.js': shop });
    await workerOf(folder);
    const line = `exec ${process.execPath} ${command} -A ./app.js events`;
    const child = spawn('/usr/bin/script', ['-qec', line, '/dev/null'], {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, TERM: 'xterm' },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let text = '';
    const saw = (wanted: string): Promise<void> =>
      until(
        () => text.includes(wanted),
        () => `${wanted} on the screen: ${text}`,
      );
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await saw('Workers online');
    expect(text).toContain('\x1b[?1049h');
    expect(text).not.toContain('\x1b[?1049l');
    await umbel(folder, ['-A', './app.js', 'call', 'shop.add', '-a', '[2, 3]', '--wait', '60']);
    await saw('shop.add');
    await saw('SUCCESS');
    child.stdin.write('\t');
    await saw('LAST MINUTE');
    child.stdin.write('q');
    await saw('\x1b[?1049l');
  },
);

test('a camera gets snapshots of the cluster, and one that fails is asked again', async () => {
  const folder = project({
    'app.js': shop,
    'camera.js': `let taken = 0;
      export default async (state) => {
        const seen = () => state.aliveWorkers().length;
        if (++taken === 3) while (seen() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        console.log('snapshot', taken, seen());
        if (taken === 2) throw new Error('disk full');
      };`,
  });
  await workerOf(folder);
  const { code, stdout, stderr } = await umbel(folder, [
    ...['-A', './app.js', 'events', '--camera', './camera.js', '-F', '100ms', '--limit', '3'],
  ]);
  expect(stdout).toMatch(/^snapshot 1 [01]\nsnapshot 2 [01]\nsnapshot 3 1\n$/);
  expect(stderr).toContain('umbel: the camera failed: disk full');
  expect(code).toBe(0);
  const none = await umbel(folder, ['-A', './app.js', 'events', '--camera', './app.js']);
  expect(none.stderr).toContain("'./app.js' exports no camera: export default (state) => { … }");
  expect(none.code).toBe(1);
});
