// What users of Celery type every day is there, documented, and does what it should.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { fittingRows } from '../../src/cli/terminal/table.ts';
import { widthOf } from '../../src/cli/terminal/text.ts';
import { until } from '../until.ts';
import { project, shop, start, startWorker, umbel, umbelProcess } from './harness.ts';

const celerys = [
  ...[
    'worker',
    'beat',
    'flower',
    'events',
    'shell',
    'inspect',
    'control',
    'purge',
    'call',
    'result',
    'migrate',
  ],
  ...['graph', 'upgrade', 'logtool', 'amqp', 'report', 'status', 'list', 'multi'],
];

test('every command of Celery exists, and each of ours has its section in docs/cli.md', () => {
  const names = createProgram().commands.map((command) => command.name());
  expect(names).toEqual(expect.arrayContaining(celerys));
  const sections = [...readFileSync('docs/cli.md', 'utf8').matchAll(/^## (.+)$/gm)].flatMap(
    ([, title = '']) => title.split(', '),
  );
  expect(sections).toEqual(expect.arrayContaining(names.filter((name) => name !== 'help')));
});

test('worker, inspect active, registered and stats, control, and purge, as one types them for Celery', async () => {
  const folder = project({ 'app.js': shop });
  const app = ['-A', 'app'];
  await startWorker(
    folder,
    '--loglevel=info',
    '--concurrency=3',
    '-Q',
    'celery,emails',
    '-n',
    'worker_emails@%h',
  );
  await umbel(folder, [...app, 'call', 'shop.slow', '-a', '[30]']);
  const it = ['-t', '60', '-d', await nodeOf(folder)];
  await expect
    .poll(async () => (await umbel(folder, [...app, 'inspect', 'active', ...it])).stdout)
    .toContain('shop.slow');
  const registered = await umbel(folder, [...app, 'inspect', 'registered', ...it]);
  const stats = await umbel(folder, [...app, 'inspect', 'stats', ...it, '--json']);
  const revoked = await umbel(folder, [...app, 'control', 'rate_limit', 'shop.add', '10/m', ...it]);
  expect(registered.stdout).toContain('* shop.add');
  const [reply] = Object.values<{ pool: Record<string, unknown> }>(JSON.parse(stats.stdout));
  expect(reply?.pool['max-concurrency']).toBe(3);
  expect(revoked.stdout).toContain('new rate limit set successfully');
  await umbel(folder, [...app, 'call', 'shop.add', '-Q', 'other']);
  expect(await umbel(folder, [...app, 'purge', '-f', '-Q', 'other'])).toMatchObject({
    ...{ code: 0, stdout: "Purged 1 message from 'other'.\n" },
  });
});

test.each([
  [['inspect'], 2, /name a command: umbel inspect active/],
  [['control'], 2, /name a command: umbel control/],
  [['call'], 2, /missing required argument 'name'/],
  [['result'], 2, /missing required argument 'id'/],
  [['migrate'], 2, /missing required argument 'source'/],
  [['graph'], 2, /bootsteps/],
  [['upgrade'], 2, /settings/],
  [['logtool'], 2, /stats/],
  [['amqp'], 2, /needs RabbitMQ/],
  [['flower', '--address=0.0.0.0'], 1, /has no login/],
  [['purge'], 0, /Purged 0 messages from 'celery'/],
  [['shell'], 0, /^$/],
  [['report'], 0, /software -> umbel:/],
] as const)('%j alone, as Celery lists it, does it or says what is missing', async (words, code, said) => {
  // The prompt is left to a process of its own: it changes how errors are caught.
  const run = words[0] === 'shell' ? umbelProcess : umbel;
  const ended = await run(project({ 'app.js': shop }), ['-A', 'app', ...words]);
  expect([ended.code, ended.stdout + ended.stderr]).toEqual([code, expect.stringMatching(said)]);
});

async function nodeOf(folder: string): Promise<string> {
  let node = '';
  await until(async () => {
    const { stdout } = await umbel(folder, ['status', '--json']);
    [node = ''] = JSON.parse(stdout).online;
    return node !== '';
  }, 'a worker that answers within a second');
  return node;
}

test('beat takes the --concurrency that is often given to it, and says that it has no effect; and what it sends', async () => {
  const scheduled = shop.replace('{ App }', '{ App, every }');
  const folder = project({ 'app.js': `${scheduled}app.schedule('often', every('1s'), 'shop.add');` });
  const options = ['--concurrency=4', '--loglevel=info', '--log-format', 'pretty'];
  const beat = start(folder, ['-A', 'app', 'beat', ...options]);
  await beat.said(/--concurrency has no effect/);
  await beat.said(/leading/);
  await beat.said(/INFO: sent 'often' \(shop\.add\) \[[0-9a-f-]{36}\]/);
  beat.kill('SIGTERM');
  expect((await beat.ended).code).toBe(0);
});

test('a table is not wider than the terminal, and keeps what fits', async () => {
  const rows = [
    ['1', 'x'.repeat(200), 'short'],
    ['2', '日本語'.repeat(30), 'also short'],
  ];
  const head = ['id', 'detail', 'state'];
  for (const width of [80, 60, 200]) {
    const fitting = fittingRows(head, rows, width);
    const widths = head.map((title, at) =>
      Math.max(title.length, ...fitting.map((row) => widthOf(row[at] ?? ''))),
    );
    expect(widths.reduce((sum, each) => sum + each + 3, 1)).toBeLessThanOrEqual(width);
    expect(fitting.map(([, , state]) => state)).toEqual(['short', 'also short']);
  }
  expect(fittingRows(head, rows, null)).toBe(rows); // a pipe gets all
});
