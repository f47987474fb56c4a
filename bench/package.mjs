// What a package costs before its first task: its install, its import, its first send, and the bundle of a program that only sends. Beside BullMQ,
// in turns: `node bench/package.mjs [rounds]`. It installs from the registry that npm uses, and needs Redis.
import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { startRedis } from './servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const rounds = Number(process.argv[2] ?? 5);
const { build } = createRequire(join(root, 'package.json'))('esbuild');

const folder = mkdtempSync(join(tmpdir(), 'umbel-package-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

function pack() {
  const said = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root });
  return join(folder, JSON.parse(said.toString())[0].filename);
}

const redis = await startRedis([]);
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

const peers = {
  Umbel: {
    specs: [pack()],
    name: 'umbel',
    sends: `import { App } from 'umbel';
const app = new App('bench', { broker: '${redis.address}', backend: '${redis.address}' });
await app.task('add', (a, b) => a + b).delay(1, 2);
await app.close();`,
  },
  BullMQ: {
    // Its client for Redis is a package of its own.
    specs: [`bullmq@${dependencies.bullmq}`, `ioredis@${dependencies.ioredis}`],
    name: 'bullmq',
    sends: `import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
const connection = new Redis('${redis.address}');
const queue = new Queue('bench', { connection });
await queue.add('add', { a: 1, b: 2 });
await queue.close();
await connection.quit();`,
  },
};

function sizeOf(path) {
  if (!lstatSync(path).isDirectory()) return lstatSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function seconds(work) {
  const before = performance.now();
  work();
  return (performance.now() - before) / 1000;
}

function run(cwd, file) {
  const { status, stderr } = spawnSync(process.execPath, [file], { cwd, encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
}

/** What a user's bundler makes of it: the files that a send loads, minified. */
async function bundleOf(home) {
  const outdir = join(home, 'bundle');
  await build({
    entryPoints: [join(home, 'sends.mjs')],
    ...{ outdir, bundle: true, splitting: true, minify: true },
    ...{ format: 'esm', platform: 'node', target: 'node20', logLevel: 'error', absWorkingDir: home },
    outExtension: { '.js': '.mjs' },
    external: ['amqplib', 'pg', 'better-sqlite3', 'tsx'],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
  const coverage = join(home, 'coverage');
  execFileSync(process.execPath, [join(outdir, 'sends.mjs')], {
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
  });
  const { result } = JSON.parse(readFileSync(join(coverage, readdirSync(coverage)[0]), 'utf8'));
  const loaded = result.map(({ url }) => url).filter((url) => url.includes('/bundle/'));
  const text = loaded.map((url) => readFileSync(fileURLToPath(url), 'utf8')).join('');
  return { minified: text.length, zipped: gzipSync(text).length };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const figures = Object.fromEntries(
  Object.keys(peers).map((name) => [name, { install: [], import: [], send: [] }]),
);
writeFileSync(join(folder, 'nothing.mjs'), '');
const bare = [];
for (let round = 0; round < rounds; round++) {
  bare.push(seconds(() => run(folder, 'nothing.mjs')));
  for (const [title, { specs, name, sends }] of Object.entries(peers)) {
    const home = mkdtempSync(join(folder, 'home-'));
    writeFileSync(join(home, 'package.json'), '{"private":true,"type":"module"}');
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
    const figure = figures[title];
    figure.install.push(seconds(() => execFileSync('npm', ['install', ...flags, ...specs], { cwd: home })));
    writeFileSync(join(home, 'imports.mjs'), `import '${name}';`);
    writeFileSync(join(home, 'sends.mjs'), sends);
    for (const file of ['imports.mjs', 'sends.mjs']) run(home, file); // the first reads the files from the disk
    figure.import.push(seconds(() => run(home, 'imports.mjs')));
    figure.send.push(seconds(() => run(home, 'sends.mjs')));
    if (round > 0) continue;
    const modules = join(home, 'node_modules');
    const lock = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'));
    figure.packages = Object.keys(lock.packages).length;
    figure.megabytes = sizeOf(modules) / 1e6;
    figure.bundle = await bundleOf(home);
  }
}
await redis.stop();

const ms = (values) => `${Math.round(1000 * (median(values) - median(bare)))} ms`;
const rows = [
  ['packages', ({ packages }) => packages],
  ['size on disk', ({ megabytes }) => `${megabytes.toFixed(1)} MB`],
  ['`npm install`, from npm’s cache', ({ install }) => `${median(install).toFixed(1)} s`],
  ['import, beyond Node itself', (figure) => ms(figure.import)],
  ['a program that sends one task on Redis and ends, beyond Node itself', ({ send }) => ms(send)],
  [
    'what a bundled sender on Redis loads, minified',
    ({ bundle }) => `${Math.round(bundle.minified / 1000)} kB`,
  ],
  ['the same, compressed', ({ bundle }) => `${Math.round(bundle.zipped / 1000)} kB`],
];
const names = Object.keys(peers);
console.log(`| | ${names.join(' | ')} |\n|---|${names.map(() => '---:|').join('')}`);
for (const [title, of] of rows)
  console.log(`| ${title} | ${names.map((name) => of(figures[name])).join(' | ')} |`);
