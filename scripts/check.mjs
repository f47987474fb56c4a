// The one gate besides the tests: types, style, and the package as it would be published. `npm run check`
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin, npm, root, run, setUp } from './setup.mjs';

/** So many checks run at once: each of them is busy in one thread. */
const lanes = 2;

/** Runs every check, all of them even if one fails; resolves with their names and whether they passed. */
export function check() {
  return withTarball(async (tarball) => {
    const results = checks.map(([name]) => ({ name, passed: false }));
    const waiting = checks.entries();
    const lane = async () => {
      for (const [at, [name, runIt]] of waiting) {
        const { code, output } = await collected((to) => runIt(to, tarball));
        console.log(`\n── ${name}\n${output}`);
        results[at].passed = code === 0;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return results;
  });
}

const node = (to, packageName, command, ...args) =>
  run([process.execPath, bin(packageName, command), ...args], to);
const tsc = (to, ...args) => node(to, 'typescript', 'tsc', ...args);

// The longest ones first.
const checks = [
  ['types (tsc)', (to) => tsc(to, '--noEmit', '-p', 'tsconfig.json')],
  [
    "package's types (are the types wrong)",
    (to, tarball) => node(to, '@arethetypeswrong/cli', 'attw', tarball, '--profile', 'esm-only'),
  ],
  ['types of the dashboard’s pages (tsc)', (to) => tsc(to, '--noEmit', '-p', 'src/dashboard/web')],
  ['types of examples/task-tracker, a package of its own (tsc)', (to) => exampleTypes(to, 'task-tracker')],
  ['types of examples/service, a package of its own (tsc)', (to) => exampleTypes(to, 'service')],
  ['types of examples/comparison, a package of its own (tsc)', (to) => exampleTypes(to, 'comparison')],
  ["package's types (tsc without skipLibCheck)", compileConsumer],
  ['an application bundled by esbuild, in pools of threads and processes', runBundle],
  ['style (biome)', (to) => node(to, '@biomejs/biome', 'biome', 'check', '--error-on-warnings', '.')],
  [
    'a release (dry run)',
    (to) => run([process.execPath, join(root, 'scripts', 'release.mjs'), '--dry-run'], to),
  ],
  ['package (publint)', (to, tarball) => node(to, 'publint', 'publint', 'run', tarball, '--strict')],
];

/** It imports `umbel` as its users do: by a link, which it makes itself. */
async function exampleTypes(to, name) {
  const { prepare } = await import(`../examples/${name}/prepare.mjs`);
  await prepare();
  return tsc(to, '--noEmit', '-p', `examples/${name}`);
}

/** What a check writes is shown when it has ended, since others run beside it. `use` gets the options of `run`. */
function collected(use) {
  return withFolder('umbel-check-', async (folder) => {
    const path = join(folder, 'output');
    const file = openSync(path, 'w');
    try {
      const code = await use({ stdio: ['ignore', file, file] }).catch((error) => {
        writeSync(file, `${error instanceof Error ? error.stack : error}\n`);
        return 1;
      });
      return { code, output: readFileSync(path, 'utf8').trimEnd() };
    } finally {
      closeSync(file);
    }
  });
}

const { name, exports, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** A project that has installed the package. */
function withConsumer(tarball, beside, use) {
  return withFolder('umbel-consumer-', (folder) => {
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, name), { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', join(modules, name), '--strip-components=1']);
    // What npm would install beside it, and nothing else: what it needs and does not bring must be missed.
    for (const each of [...Object.keys(dependencies), ...beside]) {
      mkdirSync(dirname(join(modules, each)), { recursive: true });
      symlinkSync(join(root, 'node_modules', each), join(modules, each), 'dir');
    }
    return use(folder);
  });
}

/** Its own code in one file, and the package beside it, as servers are deployed: each pool must run its tasks. */
function runBundle(to, tarball) {
  // Its app uses the embedded store, for which older versions of Node need a package.
  return withConsumer(tarball, ['@photostructure/sqlite'], async (folder) => {
    for (const file of ['app.ts', 'tasks.ts', 'main.ts'])
      copyFileSync(join(root, 'scripts', 'bundled-app', file), join(folder, file));
    const { build } = await import('esbuild');
    await build({
      entryPoints: ['app.ts', 'main.ts'],
      absWorkingDir: folder,
      outdir: 'out',
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
    for (const pool of ['async', 'threads', 'processes']) {
      const failed = await run([process.execPath, join(folder, 'out', 'main.mjs'), pool], {
        ...to,
        cwd: folder,
      });
      if (failed !== 0) return failed;
    }
    return 0;
  });
}

/**
 * A program that imports every entry point, as a project has it that lets the compiler check what it depends on. Other compilers and ways
 * to find modules: test/package/matrix.long.test.ts.
 */
function compileConsumer(to, tarball) {
  // The optional package is there for those who import `umbel/otel`.
  return withConsumer(tarball, ['@types/node', '@opentelemetry/api'], async (folder) => {
    const entries = Object.keys(exports).filter((path) => !path.endsWith('.json'));
    const imports = entries.map((path, at) => `export * as e${at} from '${path.replace('.', name)}';\n`);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'consumer.ts'), imports.join(''));
    const strict = { target: 'es2022', strict: true, noEmit: true, types: ['node'], skipLibCheck: false };
    const compilerOptions = { ...strict, module: 'nodenext', moduleResolution: 'nodenext' };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    return tsc(to, '-p', folder);
  });
}

/** Packs the package as npm would publish it, for the time of the checks. */
function withTarball(use) {
  return withFolder('umbel-pack-', async (folder) => {
    const code = await run([...npm(), 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    if (code !== 0) throw new Error(`npm pack ended with exit code ${code}`);
    return use(join(folder, readdirSync(folder)[0]));
  });
}

/** A folder for the time of `use`. */
async function withFolder(prefix, use) {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.chdir(root);
  await setUp();
  const results = await check();
  console.log(
    `\n${results.map(({ name, passed }) => `${passed ? 'passed' : 'FAILED'}  ${name}`).join('\n')}`,
  );
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
}
