// Makes the package of the sources, unless it is what they would make: `npm run build`.
//
//   dist/    what is published: the declarations of each file, and its JavaScript bundled into few files, which load in half of the time
//            dashboard/answers.json says what the routes of the dashboard answer, by their types
//   build/   for the tests: a door to each file of src/, to the very same modules
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { answerSchemas } from './answer-schemas.mjs';
import { javaScript } from './bundle.mjs';
import { webPages } from './bundle-web.mjs';
import { bin, root } from './setup.mjs';
import { inputsNow, isBuilt, noteBuilt } from './stamp.mjs';

if (isBuilt()) process.exit(0);
const inputs = inputsNow();

const { exports, bin: commands } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What starts by itself: the command, and the child of a pool. */
const programs = [...Object.values(commands), './dist/worker/pools/child/main.js'];
/** The package's doors. */
const doors = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]));

const compiled = spawnSync(process.execPath, [bin('typescript', 'tsc'), '-b', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => /(?<!\.thread|\.d)\.ts$/.test(file) && !file.startsWith('dashboard/web/'));
const pages = await webPages();
const outputs = await javaScript(sources, [...doors, ...programs], pages.inputs);
writeChanged(join(root, 'dist'), [
  ...outputs.filter(([path]) => path.startsWith('dist/')),
  ...assets('node_modules/swagger-ui-dist', 'dist/gateway/swagger-ui', [
    'swagger-ui-bundle.js',
    'swagger-ui.css',
    'favicon-32x32.png',
    // Its licence asks for these to be passed on with it.
    'LICENSE',
    'NOTICE',
    'swagger-ui-bundle.js.LICENSE.txt',
  ]),
  ...pages.files,
  ['dist/dashboard/answers.json', answerSchemas()],
  ...assets('src/gateway/docs-page', 'dist/gateway/docs-page', ['page.js', 'page.css']),
]);
writeChanged(
  join(root, 'build'),
  outputs.filter(([path]) => path.startsWith('build/')),
);
// As npm makes it where it installs the package: a command that the system can start.
for (const path of Object.values(commands)) chmodSync(join(root, path), 0o755);
noteBuilt(inputs);

/** Files that are shipped as they are: the API's page needs no network, and the package no dependency. */
function assets(from, to, names) {
  return names.map((name) => [`${to}/${name}`, readFileSync(join(root, from, name))]);
}

/** Writes what differs, each file in one step: others may be running what is there. What no longer belongs there goes. */
function writeChanged(folder, files) {
  const wanted = new Set(files.map(([path]) => join(root, path)));
  for (const source of sources)
    for (const end of ['.d.ts', '.d.ts.map']) wanted.add(join(folder, source.replace(/\.ts$/, end)));
  for (const [path, content] of files) write(join(root, path), Buffer.from(content));
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/\.(?:js|css|svg|html|map|d\.ts)$/.test(name) && !wanted.has(join(folder, name)))
      rmSync(join(folder, name));
}

function write(path, content) {
  if (existsSync(path) && readFileSync(path).equals(content)) return;
  mkdirSync(dirname(path), { recursive: true });
  const half = `${path}.${process.pid}.half`;
  writeFileSync(half, content);
  renameSync(half, path);
}
