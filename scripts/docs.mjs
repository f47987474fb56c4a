// The site of docs/ and the API reference, into docs/site/dist: `npm run docs`. With --serve it is shown on loopback until Ctrl+C.
// VitePress and TypeDoc are installed in docs/site alone, so that the root's `npm ci` does not bring them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, install, requireNode, root, run } from './setup.mjs';

requireNode();
const site = join(root, 'docs', 'site');
const asked = process.argv.slice(2);
const unknown = asked.find((option) => option !== '--serve');
if (unknown) fail(`npm run docs knows --serve, and not '${unknown}'.`);

await install(root); // the types that the API reference reads
await install(site);
const vitepress = program('vitepress');
const typedoc = program('typedoc');

process.exitCode = await run([...vitepress, 'build', site]);
if (process.exitCode === 0)
  process.exitCode = await run([...typedoc, '--options', join(site, 'typedoc.config.mjs')]);
if (process.exitCode === 0) console.log('Built docs/site/dist; any server of files can show it.');
if (process.exitCode === 0 && asked.includes('--serve'))
  process.exitCode = await run([...vitepress, 'preview', site, '--host', '127.0.0.1']);

/** The command line of a program that is installed in docs/site. */
function program(name) {
  const folder = join(site, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return [process.execPath, join(folder, bin[name])];
}
