import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDashboard, Dashboard, type DashboardOptions } from '../../src/dashboard/server/dashboard.ts';
import { emailPattern, roleMapping } from '../../src/dashboard/server/oidc/grants.ts';
import { resolveOidc } from '../../src/dashboard/server/oidc/options.ts';
import { newPendingLogin, Sealer } from '../../src/dashboard/server/oidc/pending-login.ts';
import { Sessions } from '../../src/dashboard/server/oidc/sessions.ts';
import { newApp, newFolder } from '../worker/bench.ts';
import { type Answered, type Ask, answered, newDashboard } from './bench.ts';
import { client, TestProvider } from './oidc-provider.ts';

const page = { accept: 'text/html' };

function optionsFor(provider: TestProvider): DashboardOptions {
  return {
    insecure: false,
    oidcIssuer: provider.issuer,
    oauth2Key: client.id,
    oauth2Secret: client.secret,
    oauth2RedirectUri: 'http://localhost/login',
  };
}

async function withProvider(options: DashboardOptions = {}): Promise<{ provider: TestProvider; ask: Ask }> {
  const provider = await new TestProvider().start();
  const ask = newDashboard(await newApp('sqlite'), { ...optionsFor(provider), ...options });
  return { provider, ask };
}

/** The cookies of an answer, as a browser sends them. */
function cookiesOf({ headers }: Answered): string {
  return headers
    .getSetCookie()
    .map((each) => each.split(';', 1)[0])
    .join('; ');
}

const pathOf = (url: URL): string => url.pathname + url.search;

/** Goes to the provider and back; `change` may change the address on the way back. */
async function logIn(
  { ask, provider }: { ask: Ask; provider: TestProvider },
  change: (back: URL) => URL = (back) => back,
  next = '/tasks',
): Promise<{ answer: Answered; back: URL; pending: string }> {
  const begun = await ask(`/login?${new URLSearchParams({ next })}`, { headers: page });
  expect(begun.status).toBe(303);
  const pending = cookiesOf(begun);
  const back = change(provider.approve(begun.headers.get('location') ?? ''));
  return { answer: await ask(pathOf(back), { headers: { ...page, cookie: pending } }), back, pending };
}

const me = async (ask: Ask, cookie: string): Promise<unknown> =>
  (await ask('/api/v1/me', { headers: { cookie } })).body;

describe('a login with a provider', () => {
  it('begins a session, until the person logs out', async () => {
    const bench = await withProvider();
    const { ask } = bench;
    const shown = await ask('/tasks?query=state:failed', { headers: page });
    expect([shown.status, shown.headers.get('location')]).toEqual([
      303,
      '/login?next=%2Ftasks%3Fquery%3Dstate%3Afailed',
    ]);
    expect((await ask('/api/v1/me')).headers.get('www-authenticate')).toBeNull();
    const { answer } = await logIn(bench);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, 'http://localhost/tasks']);
    const session = answer.headers.getSetCookie().find((each) => each.startsWith('umbel-session='));
    expect(session).toMatch(/; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/);
    const cookie = cookiesOf(answer);
    expect(await me(ask, cookie)).toMatchObject({
      user: 'ann@example.com',
      role: 'viewer',
      hasSession: true,
    });
    const crossSite = { cookie, origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' };
    expect((await ask('/logout', { method: 'POST', headers: crossSite })).status).toBe(403);
    expect((await ask('/logout', { headers: { cookie } })).status).not.toBe(303);
    expect(await me(ask, cookie)).toMatchObject({ user: 'ann@example.com' });
    const out = await ask('/logout', { method: 'POST', headers: { cookie } });
    expect([out.status, out.headers.get('set-cookie')]).toEqual([200, expect.stringContaining('Max-Age=0')]);
    expect((await ask('/api/v1/me', { headers: { cookie } })).status).toBe(401);
  });

  it('takes keys of both kinds, and a new session id each time', async () => {
    const bench = await withProvider();
    bench.provider.alg = 'ES256';
    const [first, second] = [await logIn(bench), await logIn(bench)].map(({ answer }) => cookiesOf(answer));
    expect(first).not.toBe(second);
    expect(await me(bench.ask, 'umbel-session=chosen-by-a-stranger')).toMatchObject({ status: 401 });
  });

  it.each<[what: string, lie: (provider: TestProvider) => void]>([
    ['a wrong nonce', (provider) => (provider.lies = { nonce: 'other' })],
    ['no nonce', (provider) => (provider.lies = { nonce: undefined })],
    ['another audience', (provider) => (provider.lies = { aud: 'another' })],
    ['more audiences, and no azp', (provider) => (provider.lies = { aud: [client.id, 'another'] })],
    ['another azp', (provider) => (provider.lies = { azp: 'another' })],
    ['another issuer', (provider) => (provider.lies = { iss: 'https://evil.test' })],
    ['an expired token', (provider) => (provider.lies = { exp: Math.floor(Date.now() / 1000) - 3600 })],
    ['an old token', (provider) => (provider.lies = { iat: Math.floor(Date.now() / 1000) - 3600 })],
    ['no subject', (provider) => (provider.lies = { sub: undefined })],
    ['an e-mail that is not confirmed', (provider) => (provider.lies = { email_verified: false })],
    ['a foreign key', (provider) => (provider.signs = 'foreign')],
    ['no signature', (provider) => (provider.signs = 'none')],
    ['a signature by the secret of the client', (provider) => (provider.signs = 'hmac')],
  ])('is refused for %s', async (_, lie) => {
    const bench = await withProvider();
    lie(bench.provider);
    const { answer } = await logIn(bench);
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([401, []]);
    expect(answer.text).toContain('You are not logged in');
    expect(bench.provider.redeemed).toBe(1);
  });

  it('is refused for another state, another browser, another provider, and the second time', async () => {
    const bench = await withProvider();
    const { ask, provider } = bench;
    const change = (name: string, value: string) => (back: URL) => {
      back.searchParams.set(name, value);
      return back;
    };
    expect((await logIn(bench, change('state', 'x'))).answer.status).toBe(401);
    expect((await logIn(bench, change('iss', 'https://evil.test'))).answer.status).toBe(401);
    const refused = await logIn(
      bench,
      (back) => new URL(`/login?error=<b>&state=${back.searchParams.get('state')}`, back),
    );
    expect([refused.answer.status, refused.answer.text]).toEqual([401, expect.not.stringContaining('<b>')]);
    expect(provider.redeemed).toBe(0);
    expect((await logIn(bench, change('code', 'x'))).answer.text).toContain('invalid_grant');
    const { answer, back, pending } = await logIn(bench);
    expect(answer.status).toBe(303);
    expect((await ask(pathOf(back), { headers: page })).status).toBe(401);
    expect((await ask(pathOf(back), { headers: { ...page, cookie: pending } })).status).toBe(401);
    const other = newDashboard(await newApp('sqlite'), optionsFor(provider));
    expect((await other(pathOf(back), { headers: { ...page, cookie: pending } })).status).toBe(401);
    expect(provider.redeemed).toBe(1);
  });

  it('returns to pages of the dashboard only', async () => {
    const bench = await withProvider();
    for (const next of [
      'https://evil.test/',
      '//evil.test',
      '/\\evil.test',
      '/.//evil.test',
      '/login',
      '',
      'javascript:alert(1)',
      '/a\r\nX: 1',
    ]) {
      const { answer } = await logIn(bench, undefined, next);
      expect([next, answer.headers.get('location')]).toEqual([
        next,
        expect.stringMatching(/^http:\/\/localhost\//),
      ]);
      expect(answer.headers.get('x')).toBeNull();
    }
  });

  it('gives the role of the e-mail, the group or the file of users, and a change of the file counts at once', async () => {
    const users = join(await newFolder(), 'users.txt');
    await writeFile(users, 'ann@example.com operator -\n');
    const bench = await withProvider({
      users,
      auth: 'ann@example.com|root@example.com',
      oidcRoles: 'groups=ops:operator',
    });
    const { ask, provider } = bench;
    const roleOf = async (person: TestProvider['person']): Promise<unknown> => {
      provider.person = { sub: 'u1', email_verified: true, ...person };
      const { answer } = await logIn(bench);
      return answer.status === 303
        ? ((await me(ask, cookiesOf(answer))) as { role: string }).role
        : answer.status;
    };
    expect(await roleOf({ email: 'ROOT@example.com' })).toBe('admin');
    expect(await roleOf({ email: 'ben@example.com', groups: ['ops', 'other'] })).toBe('operator');
    expect(await roleOf({ email: 'ben@example.com', groups: 'other' })).toBe(403);
    expect(await roleOf({ email: 'root@example.com', email_verified: undefined })).toBe(403);
    expect(await roleOf({ groups: ['ops'], email_verified: undefined })).toBe('operator');
    provider.person = { sub: 'u1', email: 'ann@example.com', email_verified: true };
    const cookie = cookiesOf((await logIn(bench)).answer);
    expect(await me(ask, cookie)).toMatchObject({ role: 'operator' });
    const basic = { authorization: `Basic ${btoa('ann@example.com:-')}` };
    expect((await ask('/api/v1/me', { headers: basic })).status).toBe(401);
    await writeFile(users, `${await readFile(users, 'utf8')}ben@example.com   viewer -\n`);
    expect(await me(ask, cookie)).toMatchObject({ role: 'operator' });
    await writeFile(users, '# ann has left\nben@example.com   admin -\nroot@example.com viewer -\n');
    expect(await roleOf({ email: 'root@example.com' })).toBe('viewer');
    const ben = await roleOf({ email: 'ben@example.com' });
    expect(ben).toBe('admin');
  });

  it('ends for who was taken out of the file of users', async () => {
    const users = join(await newFolder(), 'users.txt');
    await writeFile(users, 'ann@example.com operator -\n');
    const bench = await withProvider({ users, auth: 'root@example.com' });
    const cookie = cookiesOf((await logIn(bench)).answer);
    expect(await me(bench.ask, cookie)).toMatchObject({ role: 'operator' });
    await writeFile(users, 'ben@example.com   admin -\n');
    expect((await bench.ask('/api/v1/me', { headers: { cookie } })).status).toBe(401);
  });

  it('ends the open event stream of who logs out', async () => {
    const provider = await new TestProvider().start();
    const dashboard = createDashboard(await newApp('sqlite'), optionsFor(provider));
    onTestFinished(() => dashboard.close());
    const get = (path: string, init?: RequestInit): Promise<Response> =>
      dashboard.fetch(new Request(`http://localhost${path}`, init));
    const ask: Ask = (path, init) => answered(get(path, init));
    const headers = { cookie: cookiesOf((await logIn({ ask, provider })).answer) };
    const stream = (await get('/api/v1/live', { headers })).body?.getReader();
    expect((await stream?.read())?.done).toBe(false);
    await ask('/logout', { method: 'POST', headers });
    let isOver = false;
    while (!isOver) isOver = (await stream?.read())?.done ?? true;
    expect((await ask('/api/v1/live', { headers })).status).toBe(401);
  });

  it('has cookies of this host and of TLS only behind https, and works beside passwords and under a prefix', async () => {
    const bench = await withProvider({
      basicAuth: ['root:secret'],
      urlPrefix: '/flower',
      oauth2RedirectUri: 'https://flower.example.com/flower/login',
    });
    const begun = await bench.ask('/flower/login');
    expect(begun.headers.get('set-cookie')).toMatch(
      /^__Host-umbel-login=.*; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const headers = { authorization: `Basic ${btoa('root:secret')}` };
    expect((await bench.ask('/flower/api/v1/me', { headers })).body).toMatchObject({
      user: 'root',
      hasSession: false,
    });
    expect((await bench.ask('/flower/tasks', { headers: page })).headers.get('location')).toBe(
      '/flower/login?next=%2Fflower%2Ftasks',
    );
  });
});

describe('the provider', () => {
  it('is checked at the start; one that is away is waited for', async () => {
    const provider = await new TestProvider().start();
    const app = await newApp('sqlite');
    const start = async (): Promise<void> => {
      const { insecure: _, ...options } = optionsFor(provider);
      const dashboard = new Dashboard(app, { ...options, port: 0 });
      onTestFinished(() => dashboard.stop());
      await dashboard.start();
    };
    provider.description = { issuer: 'https://evil.test' };
    await expect(start()).rejects.toThrow("describes the issuer 'https://evil.test'");
    provider.description = { token_endpoint: 'http://evil.test/token' };
    await expect(start()).rejects.toThrow('which is no https address');
    provider.description = { jwks_uri: 5 };
    await expect(start()).rejects.toThrow('is no description of an OpenID Connect provider');
    provider.description = {};
    await start();
    provider.issuer = 'http://127.0.0.1:9';
    await start();
    const ask = newDashboard(app, optionsFor(provider));
    const answer = await ask('/login');
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('does not answer')]);
  });

  it.each<[changes: Parameters<typeof resolveOidc>[0] | object, said: string]>([
    [{ oauth2Key: null }, '--oauth2-key'],
    [{ oauth2RedirectUri: null }, '--oauth2-redirect-uri'],
    [{ oauth2RedirectUri: 'http://flower.example.com/login' }, 'must be https'],
    [{ oauth2RedirectUri: 'https://flower.example.com/' }, "must end in '/login'"],
    [{ oidcIssuer: 'http://login.example.com' }, 'must be an https address'],
    [{ oidcIssuer: 'https://accounts.google.com' }, 'everybody has an account'],
    [{ oidcIssuer: null }, 'no provider'],
    [{ auth: '.*@*.com' }, "more than one '*'"],
    [{ auth: '.*@a.com|b@a.com' }, "beside '|'"],
    [{ auth: 'a@*.com' }, "left of '@'"],
    [{ auth: 'ann' }, 'no e-mails'],
    [{ oidcRoles: 'groups' }, 'names no claim'],
    [{ oidcRoles: 'groups=ops:king' }, 'viewer, operator, admin'],
  ])('%j is refused', (changes, said) => {
    const given = {
      oidcIssuer: 'https://login.example.com',
      oauth2Key: 'umbel',
      oauth2Secret: null,
      oauth2RedirectUri: 'https://flower.example.com/login',
      auth: null,
      oidcRoles: null,
      sessionLifetime: 60,
      users: null,
      urlPrefix: '',
    };
    expect(resolveOidc(given)).not.toBeNull();
    expect(() => resolveOidc({ ...given, ...changes })).toThrow(said);
  });
});

it('an e-mail matches as in Flower, and nothing that only looks alike', () => {
  const matching = (pattern: string, ...emails: string[]): string[] => emails.filter(emailPattern(pattern));
  expect(
    matching(
      '.*@example.com',
      'a@example.com',
      'a@example.com.evil',
      'a@exampleXcom',
      'x@evil@example.com',
      '@example.com',
    ),
  ).toEqual(['a@example.com']);
  expect(matching('dev.*@example.com', 'dev@example.com', 'dev1@example.com', 'ceo@example.com')).toEqual([
    'dev@example.com',
    'dev1@example.com',
  ]);
  expect(matching('a@x.org|b@x.org', 'a@x.org', 'b@x.org', 'c@x.org', 'aa@x.org')).toEqual([
    'a@x.org',
    'b@x.org',
  ]);
  expect([...roleMapping('realm=a:b:admin, c:viewer').roles]).toEqual([
    ['a:b', 'admin'],
    ['c', 'viewer'],
  ]);
});

it('a session ends when its time is over, and a pending login too', () => {
  const sessions = new Sessions(1_000);
  const id = sessions.begin({ email: null, name: 'ann', groups: [] }, 0);
  expect(sessions.find(id, 999)?.name).toBe('ann');
  expect(sessions.find(id, 1_000)).toBeNull();
  const sealer = new Sealer();
  const sealed = sealer.seal(newPendingLogin('/', 0));
  expect(sealer.open(sealed, 1)?.next).toBe('/');
  expect(sealer.open(sealed, 600_000)).toBeNull();
  // Within the text: some of its last bits count for nothing in base64.
  const other = sealed.charAt(20) === 'A' ? 'B' : 'A';
  expect(sealer.open(sealed.slice(0, 20) + other + sealed.slice(21), 1)).toBeNull();
  expect(new Sealer().open(sealed, 1)).toBeNull();
});
