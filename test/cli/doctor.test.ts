import { execSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Beat } from '../../src/beat/beat.ts';
import { examineApplication } from '../../src/doctor/application.ts';
import { examineBeats } from '../../src/doctor/beats.ts';
import { type ClusterFacts, examineCluster, type WorkerFacts } from '../../src/doctor/cluster.ts';
import { finding } from '../../src/doctor/results.ts';
import { examineStores } from '../../src/doctor/stores.ts';
import { App, type AppOptions, crontab } from '../../src/index.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { type Ended, project, umbel, umbelProcess, workerOf } from './harness.ts';

function examined(define: (app: App) => void, options: AppOptions = {}): Record<string, string> {
  const app = new App('clinic', { taskTimeLimit: 60, ...options });
  define(app);
  return Object.fromEntries(
    examineApplication(app).map(({ check, level, what }) => [check, `${level}: ${what}`]),
  );
}
/** As it is written: the compiler of the tests would change its text. */
function evalTask(text: string): () => unknown {
  return new Function(`return ${text}`)() as () => unknown; // nobody calls it
}
const fine = (app: App): void => void app.task('fine', () => 1);

describe('the doctor', () => {
  test('finds nothing in an application that is in order', () => {
    expect(examined(fine)).toEqual({});
  });

  test('finds tasks without limits, retries, signals; that print, block, or are acknowledged early', () => {
    const found = examined(
      (app) => {
        app.task('hangs', () => 1);
        app.task('limited', { timeLimit: 5 }, () => 1);
        app.task('calls', { timeLimit: 5 }, async () => (await fetch('http://x')).status);
        app.task('retries', { timeLimit: 5, bind: true, autoretryFor: [Error] }, (task) =>
          fetch('http://x', { signal: task.signal }),
        );
        app.task('prints', { timeLimit: 5 }, () => console.log('here'));
        app.task('blocks', { timeLimit: 5 }, () => execSync('sleep 1').length);
        app.task('early', { timeLimit: 5, acksLate: false }, () => 1);
      },
      { taskTimeLimit: null },
    );
    expect(found).toEqual({
      'time-limits': 'warning: 1 of 7 tasks have no time limit: hangs',
      retries: 'warning: these tasks call other services and are not retried: calls',
      signals: 'note: these tasks fetch without a signal: calls',
      logging: 'note: these tasks print instead of logging: prints',
      blocking: 'warning: these tasks block the event loop: blocks',
      'early-acks': 'note: these tasks are acknowledged before they run: early',
    });
  });

  test('finds tasks that may do something twice, and that leave work behind', () => {
    const post = "await fetch('http://x', { method: 'POST', signal: task.signal })";
    const found = examined((app) => {
      const retried = { autoretryFor: [Error] };
      app.task('charges', retried, evalTask(`async (task) => { ${post}; }`));
      app.task('keyed', retried, evalTask(`async (task) => { const key = task.request.id; ${post}; }`));
      app.task('unique', { ...retried, unique: true }, evalTask(`async (task) => { ${post}; }`));
      app.task('leaves', evalTask('() => { setTimeout(() => 1, 1000); }'));
      app.task('sleeps', evalTask('() => new Promise((resolve) => setTimeout(resolve, 10))'));
    });
    expect(found).toEqual({
      idempotency: expect.stringMatching(/^note: .*second run: charges$/),
      background: expect.stringMatching(/^warning: .*have ended: leaves$/),
    });
  });

  test('finds big results, and schedules that nobody sends or two do', () => {
    expect(finding([{ id: 'small', bytes: 100_000 }])).toBeNull();
    const big = [
      { id: 'a', bytes: 250_000 },
      { id: 'b', bytes: 10 },
    ];
    expect(finding(big)).toMatchObject({
      check: 'big-results',
      level: 'warning',
      what: '1 of the last 2 results are bigger than 100 kB: a (250 kB)',
    });
    const fine = { schedules: ['nightly'], tasks: ['shop.report'], led: true, celery: {} };
    expect(examineBeats(fine)).toEqual([]);
    expect(examineBeats({ ...fine, schedules: [], led: false })).toEqual([]);
    const celery = { 'py@eu': ['shop.report', 'py.other'] };
    expect(
      examineBeats({ ...fine, led: false, celery }).map(({ check, what }) => `${check}: ${what}`),
    ).toEqual([
      'no-beat: no beat runs, so these schedules send no tasks: nightly',
      expect.stringMatching(/^two-beats: .*: shop\.report \(py@eu\)$/),
    ]);
  });

  test('finds an application without tasks, and schedules of tasks that are not there', () => {
    expect(examined(() => undefined)).toEqual({ imports: "error: the application 'clinic' has no tasks" });
    const found = examined((app) => {
      fine(app);
      app.schedule('nightly', crontab('0 3 * * *'), 'clinc.report');
    });
    expect(found.schedules).toMatch(/nightly \(clinc\.report\)/);
  });

  test.each([
    ['redis://cache.example.com/0', 'password', /error: the broker on cache\.example\.com has no password/],
    ['amqp://guest:guest@mq.example.com//', 'password', /RabbitMQ's standard password/],
    [
      'redis://:secret@cache.example.com/0',
      'tls',
      /warning: the connection to the broker on cache\.example\.com is not encrypted/,
    ],
    ['memory://', 'memory', /error: the broker is memory:/],
  ])('finds what is wrong with the broker %s', (broker, check, what) => {
    const found = examined(fine, { broker, backend: null });
    expect(found[check]).toMatch(what);
    expect(JSON.stringify(found)).not.toContain('secret');
  });

  test('finds results in PostgreSQL that travel in the clear without a word', () => {
    const at = (backend: string) => examined(fine, { broker: 'redis://localhost/0', backend }).tls;
    expect(at('postgresql://u:p@db.internal/shop')).toBe(
      'warning: the connection to the backend on db.internal is not encrypted: its URL has no sslmode',
    );
    expect(at('db+postgresql://u:p@db.internal/shop')).toMatch(/not encrypted/);
    for (const url of [
      'postgresql://u:p@db.internal/shop?sslmode=disable',
      'postgresql://u:p@db.internal/shop?sslmode=verify-full',
      'postgresql://u:p@localhost/shop',
      'postgresql:///shop?host=/run/postgresql',
    ])
      expect(at(url)).toBeUndefined();
  });

  test('leaves encrypted connections and those of this machine alone', () => {
    for (const broker of [
      'rediss://:secret@cache.example.com/0',
      'redis://localhost/0',
      'amqp://guest:guest@127.0.0.1//',
    ])
      expect(examined(fine, { broker, backend: null })).toEqual({});
  });
});

describe('the doctor of a cluster', () => {
  const worker = (name: string, more: Partial<WorkerFacts> = {}): WorkerFacts => ({
    ...{ name, queues: ['celery'], tasks: ['shop.add'], software: 'js-umbel', version: '0.1.0', ahead: 0.1 },
    ...more,
  });
  const found = (facts: Partial<ClusterFacts>): string[] =>
    examineCluster({
      ...{
        workers: [worker('w1')],
        silent: [],
        waiting: { celery: 3 },
        pauses: [],
        expiring: [],
        tasks: { 'shop.add': 'celery' },
      },
      ...facts,
    }).map(({ check, what }) => `${check}: ${what}`);

  test('finds nothing where all fits', () => {
    expect(found({})).toEqual([]);
    const python = worker('w2', { software: 'py-celery', version: '5.2.6' });
    expect(found({ workers: [worker('w1'), python] })).toEqual([]);
  });

  test.each<[Partial<ClusterFacts>, string]>([
    [{ silent: ['w9'] }, 'silent: these workers live and do not answer: w9'],
    [
      { expiring: ['celery', 'slow'] },
      "expiration: Python's clients send messages with `expires`, which RabbitMQ itself expires: celery, slow",
    ],
    [
      { tasks: { 'shop.add': 'celery', 'shop.mail': 'mail' } },
      'unserved: tasks go to queues that no worker serves: shop.mail (mail)',
    ],
    [{ waiting: { slow: 7 } }, 'consumers: messages wait in queues that no worker serves: slow (7)'],
    [
      {
        pauses: [
          { kind: 'queue', name: 'celery', since: new Date(0), by: 'ann', reason: 'tests' },
          { kind: 'task', name: 'shop.add', since: new Date(0), by: 'ann', reason: '' },
        ],
      },
      'paused: paused: queue celery (since 1970-01-01T00:00:00.000Z by ann: tests, 3 wait), task shop.add (since 1970-01-01T00:00:00.000Z by ann)',
    ],
    [
      {
        workers: [
          worker('w1', { signatures: { 'shop.add': '(a, b)' } }),
          worker('w2', { signatures: { 'shop.add': '(a)' } }),
          worker('w3', { queues: ['other'], signatures: { 'shop.add': '()' } }),
        ],
      },
      'signatures: workers of one queue take different arguments for the same task: shop.add: (a, b) (w1), (a) (w2)',
    ],
    [
      {
        workers: [
          worker('w1', { accepts: ['json'] }),
          worker('w2', { accepts: ['json', 'pickle'] }),
          worker('w3'),
        ],
      },
      'serializers: workers of one queue read different serializers: accept_content: json (w1), json, pickle (w2)',
    ],
    [{ workers: [] }, 'consumers: messages wait in queues that no worker serves: celery (3)'],
    [
      { workers: [worker('w1'), worker('w2', { version: '0.0.9' })] },
      'versions: versions differ across the workers: js-umbel 0.0.9, 0.1.0',
    ],
    [
      { workers: [worker('w1', { ahead: -61 })] },
      'worker-clocks: clocks of workers differ from this machine: w1 -61.0 s',
    ],
    [
      { tasks: { 'shop.new': 'celery' } },
      'unknown-tasks: workers do not know tasks that are sent to their queue: shop.new (w1)',
    ],
    [
      { workers: [worker('w1'), worker('w2', { tasks: ['blog.post'] })], tasks: { 'blog.x': 'blog' } },
      'two-apps: workers with entirely different tasks serve the same queue: celery',
    ],
  ])('finds %j', (facts, what) => {
    expect(found(facts)).toEqual([what]);
  });
});

// In processes of their own: among what the doctor looks at are the timers of its process.
describe('umbel doctor', () => {
  const doctor = (folder: string, module: string, ...args: readonly string[]): Promise<Ended> =>
    umbelProcess(folder, ['-A', module, ...args, 'doctor']);
  const checksOf = ({ stdout }: Ended): string[] =>
    JSON.parse(stdout).map(({ check }: Record<string, string>) => check);
  const app = (broker?: string) => ({
    'app.js': `import { App } from 'umbel';
export const app = new App('shop', { ${broker === undefined ? '' : `broker: '${broker}', `}taskTimeLimit: 60 });
app.task('shop.add', (x, y) => x + y);
`,
  });

  test('says so when nothing is found, and exits with 0', async () => {
    const folder = project(app());
    expect(await doctor(folder, './app.js')).toMatchObject({
      code: 0,
      stdout: 'No problems found.\n',
    });
  });

  test('asks the stores: big results, schedules without a beat; and says which timers run', async () => {
    const folder = project({
      'app.js': `import { App, every } from 'umbel';
export const app = new App('shop', { taskTimeLimit: 60 });
const big = app.task('shop.big', () => 'x'.repeat(300_000));
app.schedule('often', every('1h'), big.s());
`,
      'busy.js': `setInterval(() => undefined, 60_000);
export { app } from './app.js';
`,
    });
    const offline = await umbelProcess(folder, [
      '-A',
      './busy.js',
      'doctor',
      '--offline',
      '--strict',
      '--json',
    ]);
    expect([offline.code, checksOf(offline)]).toEqual([1, ['timers']]);
    const { app } = await workerOf(folder);
    const beat = new Beat(app);
    onTestFinished(() => beat.stop());
    await beat.start();
    await umbel(folder, ['-A', './app.js', 'call', 'shop.big', '--wait', '60']);
    // Workers have a second to answer, and the beat three for a sign of life: on a busy machine, asked again.
    await expect
      .poll(async () => checksOf(await doctor(folder, './busy.js', '--json')))
      .toEqual(['timers', 'big-results']);
  });

  test('says that no beat runs', async () => {
    const schedule = "app.schedule('often', every('1h'), 'shop.add');";
    const folder = project({
      'app.js': `${app()['app.js'].replace('{ App }', '{ App, every }')}${schedule}`,
    });
    await workerOf(folder);
    await expect
      .poll(async () => {
        const { code, stdout } = await doctor(folder, './app.js');
        return [code, stdout];
      })
      .toEqual([
        0,
        expect.stringMatching(
          /^warning: no beat runs, .*: often \[no-beat\]\n {2}why: .*\n {2}fix: {2}umbel beat/,
        ),
      ]);
  });

  test('asks the workers: tasks that they do not know, queues that nobody serves', async () => {
    const folder = project({
      ...app(),
      'newer.js': app()['app.js'].replaceAll('shop.add', 'shop.more'),
    });
    await workerOf(folder);
    await umbel(folder, ['-A', './app.js', 'call', 'shop.add', '-a', '[1, 2]', '-Q', 'forgotten']);
    await expect
      .poll(async () => {
        const { code, stdout } = await doctor(folder, './newer.js', '--json');
        const told: Record<string, string>[] = JSON.parse(stdout);
        return [code, ...told.map(({ check, what }) => `${check}: ${what}`)];
      })
      .toEqual([
        1,
        expect.stringMatching(/^unknown-tasks: .*: shop\.more \(celery@/),
        'consumers: messages wait in queues that no worker serves: forgotten (1)',
      ]);
  });

  test('says what the broker lacks, and exits with 1', async () => {
    const folder = project(app('redis://127.0.0.1:1/0'));
    const { code, stdout } = await doctor(folder, './app.js', '--json');
    expect([code, JSON.parse(stdout)]).toEqual([
      1,
      [expect.objectContaining({ check: 'broker', level: 'error' })],
    ]);
  });

  needs(test, noRedis)('examines Redis: persistence, eviction', async () => {
    await using server = await RedisServerProcess.start(
      '--maxmemory',
      '50mb',
      '--maxmemory-policy',
      'allkeys-lru',
    );
    const folder = project(app(`redis://127.0.0.1:${server.port}/0`));
    // The broker has five seconds to answer: on a busy machine, asked again.
    await expect
      .poll(async () => {
        const { code, stdout } = await doctor(folder, './app.js', '--json');
        const told: Record<string, string>[] = JSON.parse(stdout);
        return [code, ...told.map(({ check, level }) => `${check}: ${level}`)];
      })
      .toEqual([1, 'eviction: error', 'persistence: error']);
    server.cli('SET', 'celery-task-meta-big', `{"status": "SUCCESS", "result": "${'x'.repeat(100_000)}"}`);
    await expect
      .poll(async () => {
        const { stdout } = await doctor(folder, './app.js', '--result-backend', server.url(), '--json');
        return JSON.parse(stdout).at(-1);
      })
      .toMatchObject({ check: 'big-results', level: 'warning' });
  });

  needs(test, noRedis)(
    'names keys of Redis that hold something else, and messages that nobody holds',
    async () => {
      await using server = await RedisServerProcess.shared();
      await using app = new App('clinic', { broker: server.url() });
      const found = async (): Promise<string[]> =>
        (await examineStores(app)).flatMap(({ check, what }) =>
          ['keys', 'orphans', 'broker', 'rights'].includes(check) ? [`${check}: ${what}`] : [],
        );
      expect(await found()).toEqual([]);
      server.cli('LPUSH', 'umbel:evicted', 'x');
      server.cli('SET', 'umbel:schedule:celery', 'x');
      server.cli('HSET', 'umbel:claimed:gone', '0:0:celery', '{}');
      server.cli('LPUSH', 'umbel:taken:lost:0:celery', '{}');
      expect(await found()).toEqual([
        'keys: keys of Umbel have a wrong type: umbel:evicted (list, should be zset), umbel:schedule:celery (string, should be zset)',
        expect.stringMatching(/^orphans: .*umbel:(?:claimed:gone|taken:lost:0:celery), umbel:/),
      ]);
    },
  );
});
