// The one gate besides the tests: types, style, and the package as it would be published. `npm run check`
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin, npm, root, run, setUp } from './setup.mjs';

/** Runs every check, all of them even if one fails; resolves with their names and whether they passed. */
export async function check() {
  const results = [];
  for (const [name, runIt] of checks) {
    console.log(`\n── ${name}`);
    results.push({ name, passed: (await runIt()) === 0 });
  }
  return results;
}

const node = (packageName, command, ...args) => run([process.execPath, bin(packageName, command), ...args]);

const checks = [
  ['types (tsc)', () => node('typescript', 'tsc', '--noEmit', '-p', 'tsconfig.json')],
  [
    'types of the dashboard’s pages (tsc)',
    () => node('typescript', 'tsc', '--noEmit', '-p', 'src/dashboard/web'),
  ],
  ['types of examples/task-tracker, a package of its own (tsc)', () => exampleTypes('task-tracker')],
  ['types of examples/service, a package of its own (tsc)', () => exampleTypes('service')],
  ['types of examples/comparison, a package of its own (tsc)', () => exampleTypes('comparison')],
  ['style (biome)', () => node('@biomejs/biome', 'biome', 'check', '--error-on-warnings', '.')],
  [
    'package (publint)',
    () => withTarball((tarball) => node('publint', 'publint', 'run', tarball, '--strict')),
  ],
  [
    "package's types (are the types wrong)",
    () => withTarball((tarball) => node('@arethetypeswrong/cli', 'attw', tarball, '--profile', 'esm-only')),
  ],
  ["package's types (tsc without skipLibCheck)", () => withTarball(compileConsumer)],
  ['an application bundled by esbuild, in pools of threads and processes', () => withTarball(runBundle)],
];

/** It imports `umbel` as its users do: by a link, which it makes itself. */
async function exampleTypes(name) {
  const { prepare } = await import(`../examples/${name}/prepare.mjs`);
  await prepare();
  return node('typescript', 'tsc', '--noEmit', '-p', `examples/${name}`);
}

const { name, exports, dependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);

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
function runBundle(tarball) {
  return withConsumer(tarball, Object.keys(optionalDependencies), async (folder) => {
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
      const failed = await run([process.execPath, join(folder, 'out', 'main.mjs'), pool], { cwd: folder });
      if (failed !== 0) return failed;
    }
    return 0;
  });
}

/** A program that imports every entry point, as a project has it that lets the compiler check what it depends on. */
function compileConsumer(tarball) {
  // The optional package is there for those who import `umbel/otel`.
  return withConsumer(tarball, ['@types/node', '@opentelemetry/api'], (folder) => {
    const entries = Object.keys(exports).filter((path) => !path.endsWith('.json'));
    const imports = entries.map((path, at) => `export * as e${at} from '${path.replace('.', name)}';\n`);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'consumer.ts'), imports.join(''));
    const compilerOptions = {
      target: 'es2022',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: ['node'],
    };
    const config = { compilerOptions: { ...compilerOptions, skipLibCheck: false }, files: ['consumer.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    return node('typescript', 'tsc', '-p', folder);
  });
}

/** Packs the package as npm would publish it, for the time of the check. */
function withTarball(use) {
  return withFolder('umbel-pack-', async (folder) => {
    const code = await run([...npm(), 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    return code === 0 ? use(join(folder, readdirSync(folder)[0])) : code;
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
