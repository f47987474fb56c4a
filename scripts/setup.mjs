// What the other scripts share: the right Node, what package-lock.json names, and a build. Plain Node, no dependency:
// this runs before anything is installed.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder, wherever the script was started from. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Ends the program with a sentence that says what to do. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Checks Node's version, installs what is missing, builds what is stale. */
export async function setUp() {
  requireNode();
  await install(root);
  await build();
}

export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(
    `Umbel needs Node 20.19 or newer; this is Node ${process.versions.node}. Get a newer one at https://nodejs.org.`,
  );
}

/** `npm ci` in `folder` when its node_modules is missing or is not what package-lock.json says. */
export async function install(folder) {
  if (isInstalled(folder)) return;
  console.log(`Installing dependencies (npm ci) in ${folder} …`);
  // With NODE_ENV=production npm would leave out the compiler.
  const options = ['ci', '--no-audit', '--no-fund', '--include=dev', '--loglevel=error'];
  await mustRun([...npm(), ...options], { cwd: folder });
}

/** The command line of npm. Started by npm, its own path is known; npm.cmd on Windows cannot be spawned without a shell. */
export function npm() {
  const path = process.env.npm_execpath;
  return path?.endsWith('npm-cli.js') ? [process.execPath, path] : ['npm'];
}

/** Makes `dist` of `src`. */
export async function build() {
  await mustRun([process.execPath, join(root, 'scripts', 'build.mjs')]);
}

/** The path of a program that comes with an installed package. */
export function bin(packageName, command) {
  const folder = join(root, 'node_modules', packageName);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const path = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin?.[command];
  if (!path) throw new Error(`${packageName} has no command '${command}'`);
  return join(folder, path);
}

/** Runs a command with its output on our screen; resolves with its exit code. */
export function run([command, ...args], options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}

/** As {@link run}, and ends this program when the command fails. */
async function mustRun(command, options) {
  const code = await run(command, options);
  if (code !== 0)
    fail(
      `'${command.map((part) => part.replace(process.execPath, 'node')).join(' ')}' failed (exit ${code}).`,
    );
}

// npm's own record of what it installed, written last: an install that was interrupted has none. Unlike a stamp of
// ours it also knows of an `npm ci` or `npm install` by hand.
function isInstalled(folder) {
  const wanted = readJson(join(folder, 'package-lock.json'))?.packages;
  const found = readJson(join(folder, 'node_modules', '.package-lock.json'))?.packages;
  if (!wanted) fail(`${folder} has no package-lock.json.`);
  if (!found) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true;
    if (!found[path]) return entry.optional === true; // for another platform, or left out on purpose
    return found[path].version === entry.version && found[path].integrity === entry.integrity;
  });
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
