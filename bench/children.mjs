// The processes that play the parts of a measurement.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import celery, redis'], { stdio: 'ignore' }).status === 0,
);

/** Why Celery cannot be measured here, or null. */
export const noCelery =
  python === undefined ? 'Celery is not installed (python3-celery, python3-redis)' : null;

/** Why plainjob cannot be measured here, or null: its SQLite ends Node 20 with a fault, and the version for Node 20 ends Node 24. */
export const noPlainjob =
  Number(process.versions.node.split('.')[0]) >= 22
    ? null
    : 'plainjob needs Node 22 or later (better-sqlite3 13)';

/** `celery 5.2.6, kombu 5.2.4, Python 3.11.2` */
export function celeryVersions() {
  const code =
    'import celery, kombu, platform; print(f"Celery {celery.__version__}, kombu {kombu.__version__}, Python {platform.python_version()}")';
  return spawnSync(python, ['-c', code], { encoding: 'utf8' }).stdout.trim();
}

/**
 * Starts a part of a measurement. `ready`: it said so. `figures`: what it printed last, when it has ended. Ended by us
 * when it takes too long.
 */
export function child(name, args, { env = {}, limitMs = 120_000 } = {}) {
  const [program, ...first] = name.startsWith('celery') && name !== 'celery-node' ? twin : own;
  const started = spawn(program, [...first, name, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const late = setTimeout(() => started.kill('SIGKILL'), limitMs);
  const dies = () => started.kill('SIGKILL');
  process.once('exit', dies);
  let output = '';
  let isReady;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });
  started.stdout.on('data', (chunk) => {
    output += chunk;
    if (output.startsWith('ready\n')) isReady();
  });
  const figures = new Promise((resolve, reject) => {
    started.on('error', reject);
    started.on('close', (code, signal) => {
      clearTimeout(late);
      process.off('exit', dies);
      if (signal !== null) reject(new Error(`${name}: ${args[0]} was not done within ${limitMs / 1000} s`));
      else if (code !== 0) reject(new Error(`${[name, ...args].join(' ')} ended with ${code}`));
      else {
        try {
          resolve(JSON.parse(output.trim().split('\n').at(-1)));
        } catch (error) {
          reject(new Error(`${[name, ...args].join(' ')} printed no figures: ${error.message}`));
        }
      }
    });
  });
  // A part that fails while another is awaited must not end the program before its partner is stopped.
  figures.catch(() => {});
  const begun = Promise.race([ready, figures]);
  begun.catch(() => {});
  return { ready: begun, figures, stop: () => started.kill('SIGKILL') };
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const own = [process.execPath, here('measure.mjs')];
// Without its warning about root, which is not ours to give.
const twin = [python ?? 'python3', '-W', 'ignore', here('measure.py')];
