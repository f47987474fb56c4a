// The site of docs/ and the API reference, into docs/site/dist: `npm run docs`. With --serve it is shown on loopback until Ctrl+C, and
// `--base /umbel/` is for a site that is not at the root of its host.
// VitePress and TypeDoc are installed in docs/site alone, so that the root's `npm ci` does not bring them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, install, requireNode, root, run } from './setup.mjs';

requireNode();
const site = join(root, 'docs', 'site');
const { serve, base } = options();

await install(root); // the types that the API reference reads
await install(site);
const vitepress = program('vitepress');
const typedoc = program('typedoc');

process.exitCode = await run([...vitepress, 'build', site, '--base', base]);
if (process.exitCode === 0)
  process.exitCode = await run([...typedoc, '--options', join(site, 'typedoc.config.mjs')], {
    env: { ...process.env, SITE_BASE: base },
  });
if (process.exitCode === 0) console.log('Built docs/site/dist; any server of files can show it.');
if (process.exitCode === 0 && serve)
  process.exitCode = await run([...vitepress, 'preview', site, '--base', base, '--host', '127.0.0.1']);

/** What was asked for. */
function options() {
  try {
    const { values } = parseArgs({
      options: { serve: { type: 'boolean', default: false }, base: { type: 'string', default: '/' } },
    });
    if (!/^\/(?:[^/\s]+\/)*$/.test(values.base))
      fail(
        `--base is the path of the site on its host and begins and ends with a slash, as /umbel/ does; not '${values.base}'.`,
      );
    return values;
  } catch (error) {
    return fail(`npm run docs knows --serve and --base /PATH/: ${error.message}`);
  }
}

/** The command line of a program that is installed in docs/site. */
function program(name) {
  const folder = join(site, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return [process.execPath, join(folder, bin[name])];
}
