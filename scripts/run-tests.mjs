// One run of vitest, and what belongs to it: cases with real processes and servers that fail are tried again on servers of their
// own, and nothing may be left behind.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, root, run } from './setup.mjs';

/**
 * The folders whose cases start real processes, servers or a browser; in others a file's text says so (test-summary.mjs). What the machine
 * does beside them may fail one. All other cases (units, conformance) are never tried again.
 */
const realProcesses = /^test\/(?:e2e|interop|chaos)\//;
const neverAgain = /^test\/conformance\//;
/** So often a failed one of these is tried again. */
const tries = 2;
/** More failures than this are no accident: none is tried again. */
const maxAccidents = 10;

/**
 * What may stay in the folder for temporary files: caches of others, and the private folders of sockets, since those of
 * killed workers stay.
 */
const mayStay =
  /^(?:umbel-\d+-(?:[0-9a-f]{12}|amqp)$|tsx-|node-compile-cache|v8-compile-cache|\.org\.chromium|org\.chromium|\.com\.google|vitest-|hsperfdata)/;

/** What a run may make in the folder where it is started. Programs that it compiled were in `.umbel`, and nothing else may be. */
const mayBeMade = /^(?:node_modules|dist|build|coverage|\.umbel|\.umbel\/(?:programs|chaos)-\d+)$/;

/**
 * Runs vitest with these arguments; resolves with what passed, failed, was skipped, and what was flaky. `options` go to vitest also
 * when a case is tried again.
 */
export async function runTests(args, environment = {}, options = []) {
  // Short: sockets lie in it, and their paths must be.
  const folder = mkdtempSync(join(tmpdir(), 'ut-'));
  chmodSync(folder, 0o711); // PostgreSQL runs as another user, and its files lie in it
  const before = new Set(filesHere());
  try {
    const env = { ...process.env, ...environment, TMPDIR: folder };
    const found = await vitest([...options, ...args], env);
    // A process that fell when all of its cases had passed (see test/flaky.md): once in a run it is told, and does not fail it.
    const fallen = found.failures.filter(isFallenProcess);
    const flaky =
      fallen.length === 1 && found.files.every(({ state }) => state === 'passed' || state === 'skipped')
        ? fallen
        : [];
    const failures = [];
    const real = new Set(found.files.filter(({ hasProcesses }) => hasProcesses).map(({ file }) => file));
    const accidents = found.failures.filter(
      ({ file }) => file !== null && (realProcesses.test(file) || real.has(file)) && !neverAgain.test(file),
    );
    const mayPass = new Set(accidents.length > maxAccidents ? [] : accidents);
    for (const failure of found.failures)
      if (mayPass.has(failure) && (await passesAgain(failure, options, env))) flaky.push(failure);
      else if (!flaky.includes(failure)) failures.push(failure);
    const made = filesHere().filter((name) => !before.has(name) && !mayBeMade.test(name));
    const left = [...leftBehind(folder), ...made.map((name) => `left in the folder of the project: ${name}`)];
    for (const message of left) failures.push({ file: null, test: null, message });
    const passedAgain = flaky.filter(({ file }) => file !== null).length;
    return { passed: found.passed + passedAgain, failures, flaky, skipped: found.skipped };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** What is in this folder, and in its `.umbel`, where programs keep what nobody gave a place. */
function filesHere() {
  const own = existsSync('.umbel') ? readdirSync('.umbel').map((name) => `.umbel/${name}`) : [];
  return [...readdirSync('.'), ...own];
}

function isFallenProcess({ file, message }) {
  return file === null && message.includes('Worker forks emitted error');
}

async function passesAgain({ file, test }, options, env) {
  for (let tried = 1; tried <= tries; tried++) {
    console.log(`\n── again, alone (${tried} of ${tries}): ${file}${test === null ? '' : ` > ${test}`}`);
    const name = test === null ? [] : ['-t', patternOf(test)];
    const found = await vitest([...options, file, ...name], env);
    if (found.failures.length === 0 && found.passed > 0) return true;
  }
  return false;
}

// vitest matches a case by the names of its groups and its own, with spaces between them; a name may hold ' > ', too.
function patternOf(fullName) {
  return `^${fullName.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(' > ', '(?: > | )')}$`;
}

async function vitest(args, env) {
  const summary = join(env.TMPDIR, 'vitest-summary.json');
  rmSync(summary, { force: true });
  const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts', 'test-summary.mjs')}`];
  const code = await run([process.execPath, bin('vitest', 'vitest'), 'run', ...reporters, ...args], {
    env: { ...env, UMBEL_TEST_SUMMARY: summary },
  });
  const found = readSummary(summary);
  // A run that broke off is a failure that no test counts.
  if (code !== 0 && found.failures.length === 0)
    found.failures.push({ file: null, test: null, message: `vitest ended with exit code ${code}` });
  return found;
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    const message = 'vitest broke off and left no summary';
    return { passed: 0, failures: [{ file: null, test: null, message }], skipped: [], files: [] };
  }
}

/** What the run left: processes that lie in its folder, or name it in their command line or environment (and stops them), and files. */
function leftBehind(folder) {
  const found = [];
  for (const { pid, command } of processesNaming(folder)) {
    found.push(`process ${pid} was left running: ${command}`);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself meanwhile
    }
  }
  for (const name of readdirSync(folder))
    if (!mayStay.test(name))
      found.push(`left in the folder for temporary files: ${name}${within(join(folder, name))}`);
  return found;
}

/** What tells whose a folder is. */
function within(folder) {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return '';
  const files = readdirSync(folder);
  return ` (in it: ${files.length === 0 ? 'nothing' : files.slice(0, 20).join(', ')})`;
}

// Linux shows them; elsewhere nothing is looked for.
function processesNaming(folder) {
  const found = [];
  for (const pid of numbersIn('/proc')) {
    if (pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command === '') continue; // it has ended, and its parent has not heard of it
      // Redis writes its title over its environment, and stays in the folder in which it was started.
      const names = [command, readlinkSync(`/proc/${pid}/cwd`), readFileSync(`/proc/${pid}/environ`, 'utf8')];
      if (names.some((name) => name.includes(folder))) found.push({ pid, command: command.slice(0, 200) });
    } catch {
      // it has ended, or it is not ours
    }
  }
  return found;
}

function numbersIn(folder) {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
