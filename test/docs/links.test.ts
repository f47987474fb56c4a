// No link between the documents is dead: the file is there, and so is the heading.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { anchorOf } from '../../docs/site/anchor.ts';

const root = resolve(import.meta.dirname, '../..');

function pagesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist'].includes(entry.name) || entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return pagesIn(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

const pages = [
  ...readdirSync(root)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(root, name)),
  ...pagesIn(join(root, 'docs')),
  ...pagesIn(join(root, 'examples')),
];

/** Without code, in which brackets are not links. */
function prose(text: string): string {
  return text
    .replace(/^(`{3,})[\s\S]*?^\1`*$/gm, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ' '));
}

/** The anchors of the headings, as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replace(/^(`{3,})[\s\S]*?^\1`*$/gm, '').matchAll(/^#+ (.*)$/gm)) {
    const base = anchorOf(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
    for (let n = 0; ; n++) {
      const anchor = n === 0 ? base : `${base}-${n}`;
      if (anchors.has(anchor)) continue;
      anchors.add(anchor);
      break;
    }
  }
  return anchors;
}

function deadLinks(page: string, text: string): readonly string[] {
  const dead: string[] = [];
  for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : resolve(dirname(page), path);
    if (!existsSync(file)) dead.push(target);
    else if (anchor !== undefined && statSync(file).isFile()) {
      const there = file === page ? text : readFileSync(file, 'utf8');
      if (file.endsWith('.md') && !anchorsOf(there).has(anchor)) dead.push(target);
    }
  }
  return dead;
}

test.each(pages.map((page) => relative(root, page)))('%s has no dead link', (name) => {
  const page = join(root, name);
  expect(deadLinks(page, readFileSync(page, 'utf8'))).toEqual([]);
});

test('a dead link is found: a missing file, a missing heading', () => {
  const page = join(root, 'docs', 'start.md'); // with another text
  const text = '# A `page`, or two\n[a](cli.md) [b](gone.md) [c](cli.md#gone) [d](#a-page-or-two) [e](#gone)';
  expect(deadLinks(page, text)).toEqual(['gone.md', 'cli.md#gone', '#gone']);
});

test('each page of docs/ is in its table of contents', () => {
  const contents = join(root, 'docs', 'README.md');
  const home = join(root, 'docs', 'site', 'home.md');
  const text = readFileSync(contents, 'utf8');
  const linked = new Set(
    [...text.matchAll(/\]\(([^)\s#]+)/g)].map(([, target = '']) => resolve(dirname(contents), target)),
  );
  expect(
    pagesIn(join(root, 'docs'))
      .filter((page) => page !== contents && page !== home && !linked.has(page))
      .map((page) => relative(root, page)),
  ).toEqual([]);
});
