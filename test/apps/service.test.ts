// examples/service: its own tests, and the programs of its compose.yaml, with their commands and their environment, as plain processes
// on a Redis with a password.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { root } from '../e2e/harness/built.ts';
import { needs, noProgram } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { freePort, noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { type Config, composeConfig, noCompose, Program, readCompose } from './compose.ts';

const example = join(root, 'examples/service');
const read = (path: string): string => readFileSync(join(example, path), 'utf8');

const { services } = readCompose(example);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-service-'));
  execFileSync(process.execPath, [join(example, 'prepare.mjs')], { stdio: 'pipe' });
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

needs(test, inLongRun)('its own tests pass', () => {
  const own = spawnSync(process.execPath, ['--import', 'tsx', '--test', 'test/service.test.ts'], {
    cwd: example,
    encoding: 'utf8',
  });
  expect(own.status, own.stdout + own.stderr).toBe(0);
});

const variables = [...read('.env.example').matchAll(/^(\w+)=/gm)].map(([, name = '']) => name);

test('.env.example has every variable that compose.yaml takes from .env, and no secret', () => {
  const asked = new Set([...read('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name));
  expect(variables).toEqual(expect.arrayContaining([...asked]));
  expect(read('.env.example')).toMatch(/^REDIS_PASSWORD=\n/m);
  expect(read('.env.example')).toMatch(/^FLOWER_BASIC_AUTH=\n/m);
});

needs(test, noCompose ?? inLongRun)(
  'docker-compose reads compose.yaml, by itself and in the clone, and refuses to start without a password',
  () => {
    const secrets = { REDIS_PASSWORD: 'secret', FLOWER_BASIC_AUTH: 'admin:secret' };
    const alone = composeConfig(example, ['compose.yaml'], secrets);
    expect(alone.status, alone.stderr).toBe(0);
    const read: Config = parse(alone.stdout);
    const published = Object.entries(read.services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => [name, port]),
    );
    expect(published).toEqual([
      ['api', '127.0.0.1:8000:8000/tcp'],
      ['dashboard', '127.0.0.1:5555:5555/tcp'],
    ]);
    expect(read.networks.private).toEqual({ internal: true });
    expect(Object.keys(read.services.redis?.networks ?? {})).toEqual(['private']);
    for (const [name, service] of Object.entries(read.services))
      expect([name, service], name).toEqual([
        name,
        expect.objectContaining({
          restart: 'unless-stopped',
          read_only: true,
          cap_drop: ['ALL'],
          user: name === 'redis' ? 'redis' : 'node',
          image: name === 'redis' ? 'redis:7' : 'umbel-service',
          mem_limit: expect.any(String),
        }),
      ]);
    const clone = composeConfig(example, ['compose.yaml', 'compose.override.yaml'], secrets);
    expect(clone.status, clone.stderr).toBe(0);
    expect((parse(clone.stdout) as Config).services.beat?.build.context).toBe(root.replace(/\/$/, ''));
    const without = composeConfig(example, ['compose.yaml'], { FLOWER_BASIC_AUTH: 'admin:secret' });
    expect([without.status, without.stderr]).toEqual([1, expect.stringMatching(/REDIS_PASSWORD is missing/)]);
  },
);

test('the manifests of Kubernetes have the fields of its API, and no others', () => {
  const place = mkdtempSync(join(tmpdir(), 'umbel-manifests-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  mkdirSync(join(place, 'node_modules'));
  symlinkSync(
    join(root, 'node_modules/kubernetes-types'),
    join(place, 'node_modules/kubernetes-types'),
    'dir',
  );
  const check = (objects: readonly Manifest[]): string => {
    const lines = objects.map((object, at) => {
      const { apiVersion, kind } = object;
      const module = apiVersion === 'v1' ? 'core/v1' : apiVersion.replace('.k8s.io', '');
      return `import type { ${kind} as Kind${at} } from 'kubernetes-types/${module}';
export const object${at}: Kind${at} = ${JSON.stringify(object)};`;
    });
    writeFileSync(join(place, 'manifests.ts'), lines.join('\n'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--types', '', '--skipLibCheck'];
    return spawnSync(
      process.execPath,
      [tsc, ...options, '--module', 'nodenext', '--target', 'es2023', 'manifests.ts'],
      {
        cwd: place,
        encoding: 'utf8',
      },
    ).stdout;
  };
  const objects = manifests();
  expect(check(objects)).toBe('');
  expect(objects.length).toBeGreaterThan(10);
  const [first] = objects;
  expect(check([{ ...first, spec: { ...first?.spec, replica: 1 } } as Manifest])).toMatch(
    /"replica"' does not exist/,
  );
});

test('the manifests of Kubernetes run the commands of compose.yaml, and name what is there', () => {
  const objects = manifests();
  const called = (kind: string, name: string): Manifest | undefined =>
    objects.find((each) => each.kind === kind && each.metadata.name === name);
  const withoutTimes = (command: readonly string[]): readonly string[] =>
    command.map((part) => part.replace(/^\d+s$/, 'SECONDS'));
  const settings = new Set([
    ...variables,
    ...Object.values(services).flatMap(({ environment }) => Object.keys(environment)),
  ]);

  for (const role of ['api', 'worker', 'beat', 'dashboard']) {
    const { spec } = called('Deployment', `umbel-service-${role}`) ?? {};
    const pod = spec?.template?.spec;
    const container = pod?.containers[0];
    if (!spec || !pod || !container) throw new Error(`there is no Deployment for ${role}`);
    expect(withoutTimes(container.command)).toEqual(withoutTimes(services[role]?.command ?? []));
    expect(spec.selector).toEqual({ matchLabels: spec.template?.metadata.labels });
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true });
    for (const { name, valueFrom } of container.env) {
      expect(settings).toContain(name);
      if (valueFrom) expect(valueFrom.secretKeyRef).toMatchObject({ name: 'umbel-service', key: name });
    }
    const ports = (container.ports ?? []).map(({ name }) => name);
    for (const probe of [container.readinessProbe, container.livenessProbe])
      if (probe) expect(ports).toContain((probe.httpGet ?? probe.tcpSocket)?.port);
    expect(container.readinessProbe, role).toBeDefined();
    const grace = Number.parseInt(
      container.command[container.command.indexOf('--shutdown-timeout') + 1] ?? '',
      10,
    );
    if (role === 'worker') expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(grace + 5);
    const budget = called('PodDisruptionBudget', `umbel-service-${role}`)?.spec;
    if (role !== 'dashboard') expect(budget?.selector).toEqual(spec.selector);
    const service = called('Service', `umbel-service-${role}`)?.spec;
    if (service) expect(service.selector).toEqual(spec.template?.metadata.labels);
  }
  const scaler = called('HorizontalPodAutoscaler', 'umbel-service-worker');
  expect(scaler?.spec).toMatchObject({
    scaleTargetRef: { kind: 'Deployment', name: 'umbel-service-worker' },
    metrics: [{ external: { metric: { name: 'umbel_queue_oldest_seconds' } } }],
  });
  expect(
    called('StatefulSet', 'umbel-service-redis')?.spec.template?.spec.containers[0]?.command.at(-1),
  ).toBe(services.redis?.command.at(-1)?.replaceAll('$$', '$'));
});

/** The parts that the test looks at. */
function manifests(): readonly Manifest[] {
  const folder = join(example, 'deploy/kubernetes');
  return readdirSync(folder).flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => {
      expect([file, document.errors]).toEqual([file, []]);
      return document.toJS();
    }),
  );
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly selector?: object;
    readonly template?: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly securityContext: object;
        readonly terminationGracePeriodSeconds: number;
      };
    };
  };
}
interface Container {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string; readonly valueFrom?: { readonly secretKeyRef: object } }[];
  readonly ports?: readonly { readonly name: string }[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly securityContext: object;
}
interface Probe {
  readonly httpGet?: { readonly port: string };
  readonly tcpSocket?: { readonly port: string };
}

needs(test, noProgram('systemd-analyze', '--version', 'systemd'))(
  'systemd finds nothing wrong in the units',
  () => {
    const units = join(folder, 'units');
    mkdirSync(units);
    for (const name of readdirSync(join(example, 'deploy/systemd'))) {
      const text = read(`deploy/systemd/${name}`);
      if (name.endsWith('.service')) expect(text).toMatch(/^ExecStart=\/usr\/bin\/node /m);
      writeFileSync(join(units, name), text.replace('/usr/bin/node', process.execPath));
    }
    const verify = (...names: readonly string[]) => {
      const run = spawnSync('systemd-analyze', ['verify', ...names], { cwd: units, encoding: 'utf8' });
      return [run.status, run.stdout + run.stderr];
    };
    const services = ['api', 'beat', 'dashboard', 'worker@1'].map((role) => `umbel-service-${role}.service`);
    expect(verify('umbel-service.target', ...services)).toEqual([0, '']);
  },
);

function link(app: string, packages: readonly string[]): void {
  for (const name of packages) {
    const link = join(app, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(name === 'umbel' ? root : join(root, 'node_modules', name), link);
  }
}

/** /app of the image: what the Dockerfile copies there, with the packages that package.json names and no others. */
function buildImage(): string {
  const app = join(folder, 'app');
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  const manifest: { dependencies: object } = JSON.parse(read('package.json'));
  writeFileSync(join(app, 'package.json'), JSON.stringify(manifest));
  link(app, Object.keys(manifest.dependencies));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(app, 'dist')], {
    cwd: example,
  });
  return app;
}

test('npm start runs it on the embedded store where no Redis is installed, and stops with a signal', async () => {
  const copy = join(folder, 'start');
  cpSync(example, copy, { recursive: true, filter: (path) => !/node_modules|\.data|\.env$/.test(path) });
  link(
    copy,
    readdirSync(join(root, 'node_modules'))
      .concat('umbel')
      .filter((name) => !name.startsWith('.')),
  );
  const [api, dashboard] = [await freePort(), await freePort()];
  const settings = {
    PATH: '',
    TMPDIR: folder,
    REDIS_PORT: String(await freePort()),
    API_PORT: String(api),
    FLOWER_PORT: String(dashboard),
    HEARTBEAT_SECONDS: '0.5',
  };
  const program = new Program(['node', 'start.mjs'], copy, settings, { asContainer: false });
  await program.says(/runs on the embedded store/);
  await program.says(/worker +\| .*heartbeat \{"count":1\}/);
  await program.says(/api .*"msg":"ready"/);
  const health = await fetch(`http://127.0.0.1:${api}/health`);
  expect([health.status, await health.json()]).toEqual([
    200,
    { status: 'ok', store: true, heartbeat: { count: expect.any(Number), last: expect.any(String) } },
  ]);
  await program.says(/Dashboard/);
  expect(await program.end('SIGTERM')).toBe(0);
});

needs(test, noRedis)('the Redis of compose.yaml takes any password', async () => {
  const [shell = '', flag = '', script = ''] = services.redis?.command ?? [];
  const port = await freePort();
  const own = script.replaceAll('$$', '$').replace('--dir /data', `--dir ${folder} --port ${port}`);
  const password = 'a:b@c/1%2 ;#?"\'\\';
  const server = spawn(shell, [flag, own], { env: { ...process.env, REDISCLI_AUTH: password } });
  const ended = once(server, 'exit');
  onTestFinished(() => void server.kill('SIGKILL'));
  const reply = (auth: string): string =>
    spawnSync('redis-cli', ['-p', String(port), 'ping'], {
      env: { ...process.env, REDISCLI_AUTH: auth },
      encoding: 'utf8',
    }).stdout;
  await until(() => reply(password) === 'PONG\n', 'Redis to answer');
  expect(reply('other')).toMatch(/NOAUTH/);
  server.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

needs(test, noRedis ?? inLongRun)(
  'with a password on Redis: health, heartbeats, a login, a killed worker, a warm end by SIGTERM',
  async () => {
    const password = 'a:b@c/1%2 "x';
    const redis = await RedisServerProcess.start('--requirepass', password, '--appendonly', 'yes');
    onTestFinished(() => redis[Symbol.asyncDispose]());
    const posted: { readonly key: unknown; readonly response: ServerResponse }[] = [];
    const other = createServer((request, response) => {
      request.resume();
      const key = request.headers['idempotency-key'];
      // Held is only the first of each: a second one that waits for long is posted again.
      if (posted.some((before) => before.key === key)) response.writeHead(204).end();
      posted.push({ key, response });
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => {
      other.closeAllConnections();
      other.close();
    });
    const app = buildImage();
    const written = (): readonly string[] =>
      ['', 'dist', 'node_modules'].flatMap((name) => readdirSync(join(app, name)));
    const built = written();

    const secrets: Readonly<Record<string, string>> = {
      REDIS_PASSWORD: password,
      FLOWER_BASIC_AUTH: 'admin:secret',
      NOTIFY_URL: `http://127.0.0.1:${(other.address() as AddressInfo).port}/`, // it listens on a port
      HEARTBEAT_SECONDS: '0.5',
    };
    const [api, dashboard] = [await freePort(), await freePort()];
    const [health, beat] = [await freePort(), await freePort()];
    // A container has its own name, ports and folders.
    const outside = (text: string): string =>
      text
        .replace(/\$\{(\w+)(?::[-?][^}]*)?\}/g, (_, name: string) => secrets[name] ?? '')
        .replace(/\b8000\b/, String(api))
        .replace(/\b5555\b/, String(dashboard))
        .replace(/\b8081\b/, String(health))
        .replace(/\b8082\b/, String(beat))
        .replace('/data/', `${folder}/`);
    const environmentOf = (name: string): Record<string, string> => ({
      NODE_ENV: 'production',
      TMPDIR: folder,
      ...Object.fromEntries(
        Object.entries(services[name]?.environment ?? {}).map(([key, value]) => [key, outside(value)]),
      ),
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redis.port),
    });
    const run = (name: string, command = services[name]?.command ?? []): Program =>
      new Program(command.map(outside), app, environmentOf(name));
    const isHealthy = async (name: string): Promise<boolean> => {
      const [, ...command] = services[name]?.healthcheck?.test ?? [];
      const check = run(name, command);
      const [code] = await once(check.child, 'exit');
      return code === 0;
    };
    const script = `import { settings } from './dist/settings.js';
      import { openHeartbeats } from './dist/heartbeats.js';
      const heartbeats = openHeartbeats(settings.redis, settings.password);
      const counts = [await heartbeats.count('x'), await heartbeats.count('x')];
      heartbeats.close();
      console.log(JSON.stringify({ ...settings, counts }));`;
    const own = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: app,
      env: environmentOf('worker'),
      encoding: 'utf8',
    });
    expect(own.stderr).toBe('');
    const server = `redis://127.0.0.1:${redis.port}`;
    expect(
      JSON.parse(own.stdout),
      'broker and results are apart; a repeated heartbeat counts once',
    ).toMatchObject({
      broker: `${server}/0`,
      backend: `${server}/1`,
      counts: [1, 1],
    });
    const ask = async <Body>(path: string): Promise<Body> =>
      (await (await fetch(`http://127.0.0.1:${api}${path}`)).json()) as Body; // as /docs describes it
    const post = (text: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${api}/notifications`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ to: 'ada', text }),
      });
    const notify = async (text: string): Promise<string> => {
      const response = await post(text);
      expect(response.status).toBe(202);
      return ((await response.json()) as { id: string }).id; // as /docs describes it
    };
    const count = async (): Promise<number> =>
      (await ask<{ heartbeat: { count: number } }>('/health')).heartbeat.count;

    const programs = {
      api: run('api'),
      worker: run('worker'),
      beat: run('beat'),
      dashboard: run('dashboard'),
    };
    await programs.api.says(/"msg":"ready"/);
    await programs.worker.says(/ready/);
    const first = await notify('killed');
    await until(() => posted.length === 1, 'the first notification');
    expect(await programs.worker.end('SIGKILL')).toBe('SIGKILL');
    programs.worker = run('worker'); // restart: unless-stopped

    const before = await count();
    await until(async () => (await count()) > before, 'a heartbeat');
    await programs.worker.says(/"msg":"heartbeat"/);
    const line = programs.worker.said.split('\n').find((text) => text.includes('"msg":"heartbeat"')) ?? '';
    expect(JSON.parse(line)).toMatchObject({
      count: expect.any(Number),
      task_id: expect.any(String),
      task_name: 'maintenance.heartbeat',
    });
    await programs.dashboard.says(/ready|listening|http:\/\//i);
    const page = `http://127.0.0.1:${dashboard}/`;
    const refused = await fetch(page);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('Basic'),
    ]);
    const authorization = `Basic ${Buffer.from(secrets.FLOWER_BASIC_AUTH ?? '').toString('base64')}`;
    expect((await fetch(page, { headers: { authorization } })).status).toBe(200);
    for (const name of ['api', 'worker', 'beat', 'dashboard'])
      expect([name, await isHealthy(name)]).toEqual([name, true]);

    const doctor = run('worker', [
      'node',
      ...(services.beat?.command.slice(1, services.beat.command.indexOf('beat')) ?? []),
      'doctor',
      '--strict',
    ]);
    const [found] = await once(doctor.child, 'close');
    expect(found, doctor.said).toBe(0);

    await until(() => posted.length === 2, 'the task of the killed worker');
    expect(posted.map(({ key }) => key)).toEqual([first, first]);
    const statusOf = async (id: string): Promise<string> =>
      (await ask<{ status: string }>(`/notifications/${id}`)).status;
    await until(async () => (await statusOf(first)) === 'SUCCESS', 'its result');

    const healthStatus = async (): Promise<number> => (await fetch(`http://127.0.0.1:${api}/health`)).status;
    process.kill(redis.pid ?? Number.NaN, 'SIGSTOP'); // it is connected, and does not answer
    const frozen = performance.now();
    const path = `http://127.0.0.1:${api}/notifications/${first}`;
    const answers = [post('frozen', { 'idempotency-key': 'frozen' }), fetch(path)];
    expect(await healthStatus()).toBe(503);
    for (const answer of await Promise.all(answers))
      expect([answer.status, await answer.json()]).toEqual([503, { detail: 'Redis is away; try again' }]);
    if (isLong) expect(performance.now() - frozen).toBeLessThan(6000); // a request without `timeout` takes 10 s
    process.kill(redis.pid ?? Number.NaN, 'SIGCONT');
    await until(async () => (await healthStatus()) === 200, 'the API to reach Redis again');

    const last = await notify('warm');
    await until(() => posted.length === 3, 'the last notification');
    const ended = programs.worker.end('SIGTERM');
    await programs.worker.says(/warm shutdown/);
    posted[2]?.response.writeHead(204).end();
    expect(await ended).toBe(0);
    expect(await statusOf(last)).toBe('SUCCESS');
    for (const name of ['beat', 'dashboard', 'api'] as const)
      expect([name, await programs[name].end('SIGTERM')]).toEqual([name, 0]);
    expect(written(), 'a read-only file system').toEqual(built);
  },
);
