// Rights by action and user: roles, and what the file of users adds and takes away.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashedPassword, readAccounts, withAccount } from '../../src/dashboard/server/passwords.ts';
import { type Right, readRole, rights, rightsOf } from '../../src/dashboard/server/users.ts';
import { newApp, newFolder } from '../worker/bench.ts';
import { type Ask, newDashboard } from './bench.ts';

/** A route of each right; what only reads is asked by GET. */
const routes: Readonly<Record<Right, readonly string[]>> = {
  send: ['v1/tasks/send', 'task/send-task/x'],
  retry: ['v1/tasks/x/retry', 'v1/jobs', 'v1/jobs/x/run', 'v1/jobs/x/abort', 'v1/dead/replay'],
  revoke: ['v1/tasks/revoke', 'task/revoke/x', 'task/abort/x'],
  pause: ['v1/queues/celery/pause', 'v1/queues/celery/resume'],
  move: ['v1/waiting/move', 'v1/waiting/promote', 'v1/waiting/reschedule'],
  release: ['v1/queues/celery/release'],
  chords: ['v1/chords/x/retry', 'v1/chords/x/give', 'v1/chords/x/fire', 'v1/chords/x/cancel'],
  run: ['v1/schedules/x/run', 'v1/schedules/x/pause', 'v1/schedules/x/resume'],
  events: ['control enable_events'],
  doctor: ['GET v1/doctor', 'GET v1/doctor/tasks'],
  workers: ['control pool_restart', 'task/rate-limit/x', 'task/timeout/x', 'worker/pool/grow/w'],
  shutdown: ['control shutdown', 'v1/restart', 'v1/restart/stop', 'worker/shutdown/w'],
  schedules: ['v1/schedules', 'v1/schedules/check'],
  purge: ['v1/waiting/purge'],
  discard: ['v1/dead/discard'],
  locks: ['v1/locks/release'],
  audit: ['GET v1/audit'],
};
const all = Object.keys(rights) as Right[]; // its own keys

async function statusOf(ask: Ask, user: string, route: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:right`).toString('base64')}`;
  const [method, path = ''] = route.startsWith('GET ') ? ['GET', route.slice(4)] : ['POST', route];
  const order = /^control (.*)/.exec(path)?.[1];
  const body = order === undefined ? {} : { workers: ['nobody'], order: { action: order } };
  const { status } = await ask(`/api/${order === undefined ? path : 'v1/control'}`, {
    method,
    headers: { authorization, ...(method === 'POST' && { 'content-type': 'application/json' }) },
    ...(method === 'POST' && { body: JSON.stringify(body) }),
  });
  return status;
}

/** A dashboard with a user of each role, whose name it is. */
async function dashboardOf(grades: readonly string[]): Promise<Ask> {
  const file = join(await newFolder(), 'users.txt');
  const hash = await hashedPassword('right');
  const text = grades.reduce((lines, grade) => {
    const role = readRole(grade);
    if (role === null) throw new Error(`no role ${grade}`);
    return withAccount(lines, { name: grade, ...role, hash });
  }, '');
  await writeFile(file, text);
  return newDashboard(await newApp('sqlite'), { insecure: false, users: file });
}

test('each right can be given to a viewer, and taken from an admin, alone', async () => {
  const users = ['viewer', ...all.flatMap((right) => [`viewer+${right}`, `admin-${right}`])];
  const ask = await dashboardOf(users);
  // Passwords are checked a few at a time, and then known for a while.
  for (const user of users) expect(await statusOf(ask, user, 'GET v1/me')).toBe(200);
  const wrong: string[] = [];
  const expected = async (user: string, route: string, may: boolean): Promise<void> => {
    const status = await statusOf(ask, user, route);
    if ((status !== 403) !== may) wrong.push(`${user} ${route}: ${status}`);
  };
  const asked = all.flatMap((right) => [
    ...routes[right].flatMap((route) => [
      expected(`viewer+${right}`, route, true),
      expected(`admin-${right}`, route, false),
      expected('viewer', route, false),
    ]),
    ...all
      .filter((other) => other !== right)
      .map((other) => expected(`viewer+${right}`, routes[other][0] ?? '', false)),
  ]);
  await Promise.all(asked);
  expect(wrong).toEqual([]);
});

test('roles have the rights that they had, and the pages are told them', async () => {
  const own = (role: string): readonly Right[] => rightsOf(readRole(role) ?? { role: 'viewer' });
  expect(own('viewer')).toEqual([]);
  expect(own('operator')).toEqual(all.filter((right) => rights[right] === 'operator'));
  expect(own('admin')).toEqual(all);
  expect(own('operator+purge-send')).toEqual([
    ...all.filter((right) => (rights[right] === 'operator' && right !== 'send') || right === 'purge'),
  ]);
  const ask = await dashboardOf(['viewer+purge']);
  const authorization = `Basic ${Buffer.from('viewer+purge:right').toString('base64')}`;
  const { body } = await ask('/api/v1/me', { headers: { authorization } });
  expect(body).toMatchObject({ role: 'viewer', rights: ['purge'] });
});

test('the refusal names the right, and the audit log who had which', async () => {
  const app = await newApp('sqlite');
  const file = join(await newFolder(), 'users.txt');
  await writeFile(
    file,
    withAccount('', { name: 'ann', role: 'viewer', changes: '+purge', hash: await hashedPassword('right') }),
  );
  const ask = newDashboard(app, { insecure: false, users: file });
  const headers = {
    authorization: `Basic ${Buffer.from('ann:right').toString('base64')}`,
    'content-type': 'application/json',
  };
  const refused = await ask('/api/v1/tasks/send', { method: 'POST', headers, body: '{"name":"x"}' });
  expect(refused.text).toContain('the role operator, or the right +send; ann has the role viewer+purge');
  const purge = await ask('/api/v1/waiting/purge', { method: 'POST', headers, body: '{"from":"celery"}' });
  expect(purge.body).toEqual({ purged: 0 });
  expect(await app.audit.list()).toMatchObject([
    { user: 'ann', role: 'viewer+purge', action: 'queue.purge' },
  ]);
});

test('a right that does not exist is refused with the line and all rights', () => {
  for (const grade of ['operator+pruge', 'king+purge', 'operator+', 'operator purge', 'operator+purge,send'])
    expect(readRole(grade), grade).toBeNull();
  expect(() => readAccounts('# users\nann operator+pruge -\n', 'users.txt')).toThrow(
    /users\.txt, line 2: 'ann' must be followed by its role: viewer, operator, admin; .*purge/,
  );
  const line = withAccount('', { name: 'ann', role: 'operator', changes: '+purge-send', hash: null });
  expect(line).toBe('ann operator+purge-send -\n');
  expect(readAccounts(line, 'f').get('ann')).toEqual({
    name: 'ann',
    role: 'operator',
    changes: '+purge-send',
    hash: null,
  });
});
