import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { AuditFile } from '../../src/dashboard/server/audit.ts';
import { Dashboard, type DashboardOptions } from '../../src/dashboard/server/dashboard.ts';
import { LoginThrottle } from '../../src/dashboard/server/login-throttle.ts';
import {
  hashedPassword,
  isPassword,
  readAccounts,
  withAccount,
} from '../../src/dashboard/server/passwords.ts';
import { newApp, newFolder } from '../worker/bench.ts';
import { type Answered, type Ask, form, newDashboard } from './bench.ts';

const basic = (name: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

/** What can be done over the API, and who may. */
const actions = [
  ['operator', 'task/send-task/py.add'],
  ['operator', 'task/async-apply/py.add'],
  ['operator', 'task/apply/py.add'],
  ['operator', 'task/revoke/some-id'],
  ['operator', 'task/abort/some-id'],
  ['admin', 'task/rate-limit/py.add'],
  ['admin', 'task/timeout/py.add'],
  ['admin', 'worker/shutdown/w1'],
  ['admin', 'worker/pool/restart/w1'],
  ['admin', 'worker/pool/grow/w1'],
  ['admin', 'worker/pool/shrink/w1'],
  ['admin', 'worker/pool/autoscale/w1'],
  ['admin', 'worker/queue/add-consumer/w1'],
  ['admin', 'worker/queue/cancel-consumer/w1'],
  ['operator', 'v1/tasks/send'],
  ['operator', 'v1/queues/celery/pause'],
  ['operator', 'v1/queues/celery/resume'],
  ['admin', 'v1/waiting/purge'],
  ['admin', 'v1/restart'],
  ['admin', 'v1/restart/stop'],
  ['operator', 'v1/chords/x/retry'],
  ['operator', 'v1/chords/x/give'],
  ['operator', 'v1/chords/x/fire'],
  ['operator', 'v1/chords/x/cancel'],
  ['admin', 'v1/schedules'],
  ['admin', 'v1/schedules/check'],
  ['admin', 'v1/locks/release'],
] as const;

async function untouched(app: App): Promise<void> {
  const broker = await app.broker();
  expect((await broker.size('celery')).ready).toBe(0);
  expect(await broker.revocations.read()).toEqual([]);
  expect(await app.queues.paused()).toEqual([]);
}

async function usersFile(): Promise<string> {
  const file = join(await newFolder(), 'users.txt');
  let text = '# who may log in\n';
  for (const role of ['viewer', 'operator'] as const)
    text = withAccount(text, { name: role, role, hash: await hashedPassword('right') });
  await writeFile(file, text);
  return file;
}

async function guarded(options: DashboardOptions = {}): Promise<{ app: App; ask: Ask; users: string }> {
  const app = await newApp('sqlite');
  const users = await usersFile();
  return {
    app,
    users,
    ask: newDashboard(app, { insecure: false, basicAuth: ['root:pass:word'], users, ...options }),
  };
}

const post = (path: string, headers: Record<string, string>): [string, RequestInit] => [
  `/api/${path}`,
  { ...form('{}'), headers: { ...headers, 'content-type': 'application/json' } },
];

describe('a dashboard with a login', () => {
  it('shows nothing to who is nobody, or has a wrong password', async () => {
    const { app, ask } = await guarded();
    const foreign: Record<string, string>[] = [
      {},
      basic('root', 'wrong'),
      basic('nobody', 'right'),
      basic('viewer', 'pass:word'),
      { authorization: 'Basic' },
      { authorization: 'Basic !!!!' },
      { authorization: `Basic ${Buffer.from('root').toString('base64')}` },
      { authorization: `Basic ${'A'.repeat(5_000)}` },
      { authorization: 'Bearer root' },
    ];
    for (const headers of foreign) {
      const path = '/api/v1/me';
      const answer = await ask(path, { headers });
      expect([headers, answer.status]).toEqual([headers, 401]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm="umbel"/);
    }
    for (const path of [
      '/',
      '/tasks',
      '/assets/main.js',
      '/api/workers',
      '/api/tasks',
      '/workers?json=1',
      '/metrics',
    ])
      expect([path, (await ask(path)).status]).toEqual([path, 401]);
    for (const [, path] of actions) expect((await ask(...post(path, {}))).status).toBe(401);
    expect((await ask('/healthcheck')).text).toBe('OK');
    await untouched(app);
  });

  it('lets each user do what the role allows, and nothing more', async () => {
    const { app, ask } = await guarded();
    const me = async (name: string, password: string): Promise<unknown> =>
      (await ask('/api/v1/me', { headers: basic(name, password) })).body;
    expect(await me('root', 'pass:word')).toMatchObject({ user: 'root', role: 'admin' });
    expect(await me('viewer', 'right')).toMatchObject({ user: 'viewer', role: 'viewer' });
    for (const [role, path] of actions) {
      const answer = await ask(...post(path, basic('viewer', 'right')));
      expect([path, answer.status, answer.text]).toEqual([
        path,
        403,
        expect.stringContaining(`the role ${role}`),
      ]);
      if (role === 'admin') expect((await ask(...post(path, basic('operator', 'right')))).status).toBe(403);
    }
    await untouched(app);
    expect((await ask(...post('task/send-task/py.add', basic('operator', 'right')))).status).toBe(200);
    expect((await ask('/api/tasks', { headers: basic('viewer', 'right') })).status).toBe(200);
  });

  it('slows down who guesses, and not who is somebody else', async () => {
    const { ask } = await guarded();
    const guess = (): Promise<Answered> => ask('/api/v1/me', { headers: basic('viewer', 'guess') });
    for (let guesses = 0; guesses < 5; guesses++) expect((await guess()).status).toBe(401);
    const slowed = await guess();
    expect(slowed.status).toBe(429);
    expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0);
    // Whether it would have been right is not told either.
    expect((await ask('/api/v1/me', { headers: basic('viewer', 'right') })).status).toBe(429);
    expect((await ask('/api/v1/me', { headers: basic('operator', 'right') })).status).toBe(200);
  });

  it('knows who was taken out of the file, or got another role', async () => {
    const { ask, users } = await guarded();
    const role = async (): Promise<unknown> =>
      (await ask('/api/v1/me', { headers: basic('viewer', 'right') })).body;
    expect(await role()).toMatchObject({ role: 'viewer' });
    const text = await readFile(users, 'utf8');
    await writeFile(users, text.replace('viewer viewer', 'viewer   admin'));
    expect(await role()).toMatchObject({ role: 'admin' });
    await writeFile(users, text.replace(/^viewer .*\n/m, ''));
    expect((await ask('/api/v1/me', { headers: basic('viewer', 'right') })).status).toBe(401);
    await appendFile(users, 'somebody king\n');
    expect((await ask('/api/v1/me', { headers: basic('operator', 'right') })).status).toBe(503);
  });

  it('keeps who did what and why, before it is done', async () => {
    const app = await newApp('sqlite');
    const folder = await newFolder();
    const auditLog = join(folder, 'audit.jsonl');
    const ask = newDashboard(app, { insecure: false, basicAuth: ['root:secret'], auditLog });
    const headers = basic('root', 'secret');
    await ask('/api/task/revoke/some-id?reason=too%20slow', { method: 'POST', headers });
    const lines = (await readFile(auditLog, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        user: 'root',
        role: 'admin',
        action: 'task.revoke',
        target: 'some-id',
        reason: 'too slow',
        address: '',
      },
    ]);
  });

  it('keeps all ids of what was done to a thousand tasks, and each line after one that a crash cut off', async () => {
    const file = join(await newFolder(), 'audit.jsonl');
    const log = new AuditFile(() => Promise.resolve(file));
    const target = Array.from({ length: 1_000 }, () => crypto.randomUUID()).join(' ');
    const entry = {
      at: '',
      user: 'ann',
      role: 'admin',
      action: 'task.revoke',
      target,
      reason: '',
      address: '',
    };
    await log.add(entry);
    await appendFile(file, '{"at":"2026-');
    await log.add({ ...entry, target: 'last' });
    await log.add({ ...entry, target: 'very last' });
    const kept = await log.list({ limit: 10 });
    expect(kept.entries.map((each) => each.target)).toEqual(['very last', 'last', target]);
    expect(kept.next).toBeNull();
    const first = await log.list({ limit: 1 });
    expect(first.entries).toMatchObject([{ target: 'very last' }]);
    const second = await log.list({ limit: 1, before: first.next });
    expect(second.entries).toMatchObject([{ target: 'last' }]);
    // The cut line ends the log from here; it is no entry.
    const third = await log.list({ limit: 1, before: second.next });
    expect(third).toMatchObject({ entries: [{ target }], next: null });
    await rm(file);
    expect(await log.list({ limit: 1 })).toEqual({ entries: [], next: null });
  });

  it('shows the audit log to admins, and the doctor to operators, also if it is read-only', async () => {
    const { app, ask, users } = await guarded();
    await ask(...post('v1/queues/celery/pause?reason=repairs', basic('operator', 'right')));
    const read = (name: string, password: string, query = ''): Promise<Answered> =>
      ask(`/api/v1/audit${query}`, { headers: basic(name, password) });
    for (const name of ['viewer', 'operator']) {
      const answer = await read(name, 'right');
      expect([name, answer.status, answer.text]).toEqual([
        name,
        403,
        expect.stringContaining('the role admin'),
      ]);
    }
    const doctor = await ask('/api/v1/doctor', { headers: basic('viewer', 'right') });
    expect([doctor.status, doctor.text]).toEqual([403, expect.stringContaining('the role operator')]);
    expect((await read('root', 'pass:word')).body).toEqual({
      entries: [
        expect.objectContaining({
          user: 'operator',
          action: 'queue.pause',
          target: 'celery',
          reason: 'repairs',
        }),
      ],
      next: null,
    });
    for (const query of ['?before=0', '?before=x', '?before=1.5'])
      expect((await read('root', 'pass:word', query)).status, query).toBe(422);
    // One log: what the command line and code do is in it, too, and every dashboard shows it.
    await app.audit.as({ user: 'ann@here' }, () => app.queues.purge('mail'));
    const given = { insecure: false, basicAuth: ['root:pass:word'], users, readOnly: true };
    const askOther = newDashboard(app, given);
    const answer = await askOther('/api/v1/audit', { headers: basic('root', 'pass:word') });
    expect(answer.body).toMatchObject({
      entries: [{ user: 'ann@here', action: 'queue.purge' }, { user: 'operator' }],
    });
  });

  it('writes no file of what a store keeps, unless it is named', async () => {
    const app = await newApp('sqlite');
    const ask = newDashboard(app);
    expect((await ask(...post('task/revoke/some-id', {}))).status).toBe(200);
    expect(await app.audit.list()).toMatchObject([{ action: 'task.revoke', target: 'some-id' }]);
    const { location } = await app.history.status();
    expect((await readdir(dirname(location))).filter((name) => name.endsWith('.jsonl'))).toEqual([]);
  });

  it('does nothing that it cannot keep', async () => {
    const app = await newApp('sqlite');
    const folder = join(await newFolder(), 'gone');
    const ask = newDashboard(app, { auditLog: join(folder, 'audit.jsonl') });
    const answer = await ask(...post('task/revoke/some-id', {}));
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('audit log')]);
    await untouched(app);
    await mkdir(folder);
    expect((await ask(...post('task/revoke/some-id', {}))).status).toBe(200);
  });
});

it('answers 400 or 413 to a body that is no JSON, or too large, and reads no more of it than it may', async () => {
  const app = await newApp('sqlite');
  const ask = newDashboard(app);
  const path = '/api/v1/tasks/revoke';
  const headers = { 'content-type': 'application/json' };
  for (const body of ['[', '{"ids":', 'NaN', '\u0000']) {
    const answer = await ask(path, { method: 'POST', headers, body });
    expect([body, answer.status, answer.text]).toEqual([body, 400, expect.stringContaining('JSON')]);
  }
  let read = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      read += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(0x20));
    },
  });
  const streamed = await ask(path, { method: 'POST', headers, body: endless, duplex: 'half' } as RequestInit);
  expect([streamed.status, streamed.text]).toEqual([413, expect.stringContaining('1048576 bytes')]);
  expect(read).toBeLessThan(3 * 1024 * 1024);
  const declared = await ask(path, { method: 'POST', headers, body: ' '.repeat(2 * 1024 * 1024) });
  expect(declared.status).toBe(413);
  await untouched(app);
});

describe('a dashboard without a login', () => {
  it('does nothing for pages of other sites, nor under a name that is not its own', async () => {
    const app = await newApp('sqlite');
    const ask = newDashboard(app);
    for (const headers of [
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: 'http://other.localhost' },
      { host: 'evil.test' },
      { host: 'localhost.evil.test' },
    ] as Record<string, string>[]) {
      for (const [, path] of actions)
        expect([headers, path, (await ask(...post(path, headers))).status]).toEqual([headers, path, 403]);
    }
    expect((await ask('/api/tasks', { headers: { host: 'evil.test' } })).status).toBe(403);
    const read = await ask('/api/tasks', { headers: { origin: 'https://evil.test' } });
    expect(read.headers.get('access-control-allow-origin')).toBeNull();
    await untouched(app);
  });

  it('only shows, if it is read-only', async () => {
    const app = await newApp('sqlite');
    const ask = newDashboard(app, { readOnly: true });
    for (const [, path] of actions) {
      const answer = await ask(...post(path, {}));
      expect([path, answer.status, answer.text]).toEqual([path, 403, expect.stringContaining('read-only')]);
    }
    expect((await ask('/api/v1/me')).body).toMatchObject({ readOnly: true });
    expect((await ask('/api/tasks')).status).toBe(200);
    await untouched(app);
  });

  it('listens only where nobody else comes', async () => {
    const app = await newApp('sqlite');
    expect(() => new Dashboard(app, { address: '0.0.0.0' })).toThrow('--basic-auth');
    expect(() => new Dashboard(app, { address: '::' })).toThrow('has no login');
    const listening = new Dashboard(app, { address: '0.0.0.0', port: 0, basicAuth: ['a:b'] });
    onTestFinished(() => listening.stop());
    expect(() => new Dashboard(app, { certfile: 'cert.pem' })).toThrow('--keyfile');
    expect(() => new Dashboard(app, { basicAuth: ['root'] })).toThrow('user:password');
    const users = new Dashboard(app, { port: 0, users: join(await newFolder(), 'none') });
    await expect(users.start()).rejects.toThrow('cannot be read');
  });
});

describe('a password', () => {
  it('is right or wrong, and cannot be read in what is kept', async () => {
    const kept = await hashedPassword('grüße');
    expect(kept).toMatch(/^scrypt\$15\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(await isPassword('grüße', kept)).toBe(true);
    expect(await isPassword('gruesse', kept)).toBe(false);
    expect(await hashedPassword('grüße')).not.toBe(kept);
  });

  it('is kept in a line that is refused when it is not one', () => {
    const good = `scrypt$15$8$1$${'a'.repeat(22)}$${'b'.repeat(43)}`;
    expect([...readAccounts(`\n# all\nann  viewer ${good}\n`, 'users.txt').values()]).toEqual([
      { name: 'ann', role: 'viewer', hash: good },
    ]);
    for (const [line, why] of [
      ['ann', /line 1: 'ann' must be followed by its role: viewer, operator, admin/],
      [`ann king ${good}`, /its role/],
      ['ann viewer secret', /the password of 'ann'/],
      [`ann viewer ${good.replace('$15', '$31')}`, /the password of 'ann'/],
      [`ann viewer ${good} more`, /the password of 'ann'/],
      [`ann viewer ${good}\nann admin ${good}`, /line 2: 'ann' is listed twice/],
    ] as const)
      expect(() => readAccounts(line, 'users.txt')).toThrow(why);
  });
});

it('guesses cost ever longer pauses, which end', () => {
  const throttle = new LoginThrottle();
  for (let guesses = 0; guesses < 5; guesses++) {
    expect(throttle.pauseOf('ann', 0)).toBe(0);
    throttle.failed('ann', 0);
  }
  expect(throttle.pauseOf('ann', 0)).toBe(5_000);
  expect(throttle.pauseOf('ben', 0)).toBe(0);
  expect(throttle.pauseOf('ann', 5_000)).toBe(0);
  throttle.failed('ann', 5_000);
  expect(throttle.pauseOf('ann', 5_000)).toBe(10_000);
  for (let guesses = 0; guesses < 50; guesses++) throttle.failed('ann', 6_000);
  expect(throttle.pauseOf('ann', 6_000)).toBe(60_000);
  throttle.succeeded('ann');
  expect(throttle.pauseOf('ann', 6_000)).toBe(0);
  for (let who = 0; who < 20_000; who++) throttle.failed(`${who}`, 7_000);
});
