// Makes a release: `npm run release -- 0.2.0`. It checks what must hold, runs the tests, moves the changelog's "Unreleased" under the
// version, commits and tags. It pushes nothing; with --publish it publishes to npm at the end. --dry-run changes nothing and says what it
// would do: `npm run check` runs it.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, npm, root, run } from './setup.mjs';

/** What npm's page, and those who have a problem, need. */
const neededToPublish = ['repository', 'homepage', 'bugs'];
/** What the package must hold beside its code. */
const packed = ['README.md', 'CHANGELOG.md', 'LICENSE', 'dist/THIRD-PARTY.md', 'umbel.config.schema.json'];

/** Where the stores of the releases are. */
const stores = 'test/stores/releases';

const path = (name) => join(root, name);
const read = (name) => readFileSync(path(name), 'utf8');

/** The next version: `patch`, `minor` and `major` of `now`, or the one that is named. Undefined: it is none, or is not later. */
export function nextVersion(now, asked) {
  const parts = now.split('.').map(Number);
  const at = ['major', 'minor', 'patch'].indexOf(asked);
  if (at >= 0) return [...parts.slice(0, at), parts[at] + 1, 0, 0].slice(0, 3).join('.');
  if (!/^\d+\.\d+\.\d+$/.test(asked)) return undefined;
  const wanted = asked.split('.').map(Number);
  const differs = wanted.findIndex((part, index) => part !== parts[index]);
  return differs >= 0 && wanted[differs] > parts[differs] ? asked : undefined;
}

/** The changelog with what is unreleased under a version. Undefined: there is nothing unreleased. */
export function releasedChangelog(text, version, date) {
  const [, before, entries, after] =
    /^([\s\S]*?^## Unreleased\n)([\s\S]*?)(^## [\s\S]*)?$(?![\s\S])/m.exec(text) ?? [];
  if (entries === undefined || !/^- /m.test(entries)) return undefined;
  return `${before}\n## ${version} (${date})\n${entries.trimEnd()}\n${after === undefined ? '' : `\n${after}`}`;
}

/**
 * Everything that stands against this release: `always`, what must be so at any time; `releasing`, what must be so when it is made (right
 * after a release nothing is unreleased); `publishing`, what npm's page needs.
 */
export function obstacles({ manifest, lock, versionInCode, changelog, version, files }) {
  const always = [];
  if (lock.version !== manifest.version || lock.packages?.['']?.version !== manifest.version)
    always.push('package-lock.json has another version than package.json');
  if (versionInCode !== manifest.version)
    always.push('src/lib/version.ts has another version than package.json');
  if (Object.values(lock.packages ?? {}).some(({ resolved }) => resolved))
    always.push('package-lock.json names a registry ("resolved")');
  for (const name of packed) if (!files.includes(name)) always.push(`the package would lack ${name}`);
  const releasing = [];
  if (releasedChangelog(changelog, version, '') === undefined)
    releasing.push('CHANGELOG.md has no entry under "## Unreleased"');
  const missing = neededToPublish.filter((field) => !manifest[field]);
  const publishing = missing.map((field) => `package.json has no "${field}": it is not published without`);
  return { always, releasing, publishing };
}

/** The names of the files that npm would pack. */
function filesOfPackage() {
  const [command, ...args] = [...npm(), 'pack', '--dry-run', '--json', '--ignore-scripts', '--silent'];
  const [{ files }] = JSON.parse(execFileSync(command, args, { cwd: root, encoding: 'utf8' }));
  return files.map((file) => file.path);
}

function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}

/** What must be so in the repository before a release is made. */
function obstaclesInRepository(version) {
  const found = [];
  if (git('status', '--porcelain') !== '') found.push('there are changes that are not committed');
  if (git('tag', '--list', `v${version}`) !== '') found.push(`there is a tag v${version} already`);
  return found;
}

async function release(args) {
  const unknown = args.find((arg) => arg.startsWith('--') && !['--dry-run', '--publish'].includes(arg));
  if (unknown) fail(`npm run release knows --dry-run and --publish, and not '${unknown}'.`);
  const dry = args.includes('--dry-run');
  const publish = args.includes('--publish');
  const asked = args.filter((arg) => !arg.startsWith('--'));
  if (asked.length > 1 || (asked.length === 0 && !dry))
    fail('Which version? npm run release -- patch, minor, major, or a number: 0.2.0.');

  const manifest = JSON.parse(read('package.json'));
  const changelog = read('CHANGELOG.md');
  const version = nextVersion(manifest.version, asked[0] ?? 'patch');
  if (version === undefined)
    fail(`The version must be patch, minor, major, or later than ${manifest.version}.`);
  const [, versionInCode] = /'([^']*)';/.exec(read('src/lib/version.ts')) ?? [];
  const lock = JSON.parse(read('package-lock.json'));
  const files = filesOfPackage();
  const against = obstacles({ manifest, lock, versionInCode, changelog, version, files });
  const { always, releasing, publishing } = against;
  const inTheWay = dry
    ? always
    : [...always, ...releasing, ...obstaclesInRepository(version), ...(publish ? publishing : [])];
  if (inTheWay.length > 0) fail(`No release:\n${inTheWay.map((each) => `- ${each}`).join('\n')}`);

  const next = releasedChangelog(changelog, version, new Date().toISOString().slice(0, 10));
  const steps = [
    ['run all tests (npm test)', () => run([...npm(), 'test'])],
    [`put the entries of CHANGELOG.md under ${version}`, () => writeFileSync(path('CHANGELOG.md'), next)],
    [
      `make ${version} the version of the package and of the code`,
      () => run([...npm(), 'version', version, '--no-git-tag-version']),
    ],
    [`keep its stores in ${stores}/${version}, on which later versions are tried`, () => keep(version)],
    [`commit, and tag v${version}`, () => commit(version)],
    ...(publish ? [['publish to npm (npm publish)', () => run([...npm(), 'publish'])]] : []),
  ];
  if (dry) {
    console.log(`A release of ${manifest.name} ${version} would`);
    for (const [what] of steps) console.log(`- ${what}`);
    for (const each of [...releasing, ...publishing]) console.log(`Note: ${each}.`);
    return;
  }
  for (const [what, act] of steps) {
    console.log(`── ${what}`);
    if (((await act()) ?? 0) !== 0) fail(`No release: could not ${what}.`);
  }
  console.log(`Released ${version}. Push it: git push --follow-tags.`);
}

async function keep(version) {
  const [, storeVersion] = /storeVersion = (\d+);/.exec(read('src/stores/store-version.ts'));
  const { keepStores } = await import('./release-stores.mjs');
  await keepStores(path(`${stores}/${version}`), Number(storeVersion));
}

function commit(version) {
  git('add', 'CHANGELOG.md', 'package.json', 'package-lock.json', 'src/lib/version.ts', stores);
  git('commit', '--message', `Release ${version}`);
  git('tag', '--annotate', `v${version}`, '--message', `Release ${version}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await release(process.argv.slice(2));
