import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needs } from '../needs.ts';
import { command, project, shop, start, umbel, workerOf } from './harness.ts';

const basic = { authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` };

test('flower serves the API to who logs in, with the options as Flower has them, until SIGTERM', async () => {
  const folder = project({ 'app.js': shop });
  const added = spawnSync(
    process.execPath,
    [command, 'flower', 'passwd', 'users.txt', 'ann', '--role', 'operator'],
    {
      cwd: folder,
      input: 'secret\n',
      encoding: 'utf8',
    },
  );
  expect(added).toMatchObject({ status: 0, stdout: 'ann may log in as operator\n' });
  expect(readFileSync(join(folder, 'users.txt'), 'utf8')).toMatch(/^ann operator scrypt\$/);
  const dashboard = start(
    folder,
    [
      '-A',
      './app.js',
      'flower',
      '--port=0',
      '--url_prefix=flower',
      '--persistent=True',
      '--log-format',
      'json',
    ],
    { env: { FLOWER_USERS: 'users.txt', FLOWER_INSPECT_TIMEOUT: '5000', FLOWER_DB: 'kept' } },
  );
  await dashboard.said(/recorder ready: .*kept\.history\.db/);
  await dashboard.said(/"url":"[^"]+"/);
  const url = /"url":"([^"]+)"/.exec(dashboard.stderr)?.[1] ?? '';
  expect(dashboard.stderr).toContain('--persistent has no effect');
  expect(url).toMatch(/\/flower$/);
  expect((await fetch(`${url}/api/workers`)).status).toBe(401);
  await workerOf(folder);
  const body = '{"args": [2, 3]}';
  const sent = await fetch(`${url}/api/task/apply/shop.add`, { method: 'POST', headers: basic, body });
  expect(await sent.json()).toMatchObject({ result: 5, state: 'SUCCESS' });
  dashboard.kill('SIGTERM');
  expect((await dashboard.ended).code).toBe(0);
});

needs(test, process.platform === 'linux' ? undefined : 'Linux, where 127.… are addresses of this machine')(
  'flower is at port 5555, and --basic-auth lets in who has its password',
  async () => {
    // An address that nobody else has: elsewhere something may listen on 5555.
    const address = `127.${(process.pid >> 16) & 127}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
    const words = [`--address=${address}`, '--basic-auth=admin:secret'];
    const dashboard = start(project({ 'app.js': shop }), ['-A', './app.js', 'flower', ...words]);
    await dashboard.said(new RegExp(`http://${address}:5555`));
    const status = async (login?: string): Promise<number> => {
      const headers = login === undefined ? {} : { authorization: `Basic ${btoa(login)}` };
      return (await fetch(`http://${address}:5555/api/workers`, { headers })).status;
    };
    expect([await status(), await status('admin:wrong'), await status('admin:secret')]).toEqual([
      401, 401, 200,
    ]);
    dashboard.kill('SIGTERM');
    expect((await dashboard.ended).code).toBe(0);
  },
);

test.each<[words: string[], env: Record<string, string>, said: RegExp]>([
  [['--address=0.0.0.0'], { FLOWER_PORT: '0' }, /the dashboard on 0\.0\.0\.0 has no login/],
  [['--basic_auth=ann'], {}, /a login must be user:password/],
  [['--url-prefx=/a'], {}, /unknown option '--url-prefx=\/a'/],
  [['--read_only=maybe'], {}, /It must be true or false/],
  [[], { FLOWER_PORT: 'abc' }, /FLOWER_PORT: It must be a port/],
  [[], { FLOWER_OAUTH2_KEY: 'key' }, /--oauth2-key\) is set, but no provider/],
  [['--auth_provider=flower.views.auth.GithubLoginHandler'], {}, /GitHub is no OpenID Connect provider/],
  [
    [
      '--auth-provider=flower.views.auth.GoogleAuth2LoginHandler',
      '--oauth2-key=key',
      '--oauth2-redirect-uri=http://localhost:5555/login',
    ],
    {},
    /everybody has an account at .*--auth/,
  ],
  [['--users', 'none.txt'], {}, /the file of users cannot be read/],
  [['passwd', 'users.txt', 'a:b'], {}, /cannot be the name of a user/],
])('flower %j with %j is refused, with the way out', async (words, env, said) => {
  const { code, stderr } = await umbel(project({ 'app.js': shop }), ['flower', ...words], {
    env,
  });
  expect(stderr).toMatch(said);
  expect([1, 2]).toContain(code);
});
