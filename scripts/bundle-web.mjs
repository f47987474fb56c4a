// The dashboard's pages, as a browser loads them: a script, a style and an icon with hashed names, and the page that names them.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { root } from './setup.mjs';

const folder = 'src/dashboard/web';
const target = 'dist/dashboard/web';

/** The files by their paths, and what they were made of. */
export async function webPages() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`${folder}/main.tsx`, `${folder}/style.css`],
    outdir: `${target}/assets`,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome111', 'firefox114', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    tsconfigRaw: {}, // the one of the pages extends Node's
    legalComments: 'none', // dist/THIRD-PARTY.md has the licences
    metafile: true,
    write: false,
  });
  const files = outputFiles.map(({ path, contents }) => [`${target}/assets/${basename(path)}`, contents]);
  const icon = readFileSync(join(root, folder, 'icon.svg'));
  const hash = createHash('sha256').update(icon).digest('hex').slice(0, 8).toUpperCase();
  files.push([`${target}/assets/icon-${hash}.svg`, icon]);
  const nameOf = (start, end) =>
    files
      .map(([path]) => path.slice(target.length + 1))
      .find((name) => name.startsWith(`assets/${start}-`) && name.endsWith(end));
  const html = readFileSync(join(root, folder, 'index.html'), 'utf8')
    .replace('%SCRIPT%', nameOf('main', '.js'))
    .replace('%STYLE%', nameOf('style', '.css'))
    .replace('%ICON%', nameOf('icon', '.svg'));
  files.push([`${target}/index.html`, html]);
  return { files, inputs: Object.keys(metafile.inputs) };
}
