// What the site and the texts for language models are made of; test/site builds the site and looks at it in a browser.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { anchorOf } from '../../docs/site/anchor.ts';
import { addressOf, contentsOf } from '../../docs/site/contents.ts';
import { llms, llmsFull } from '../../docs/site/llms.ts';

const docs = resolve(import.meta.dirname, '../../docs');
const read = (path: string): string => readFileSync(join(docs, path), 'utf8');
const project = { name: 'Shop', description: 'sells' };

test('the table of contents is the navigation: each link to a page of docs/ is in it once, by section', () => {
  const sections = contentsOf(read('README.md'));
  const paths = sections.flatMap(({ pages }) => pages.map(({ path }) => path));
  const links = [...read('README.md').matchAll(/\]\(([^)]+\.md)\)/g)].map(([, path = '']) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(new Set(paths)).toEqual(new Set(links.filter((path) => !path.startsWith('..'))));
  expect(paths.filter((path) => !existsSync(join(docs, path)))).toEqual([]);
  expect(sections.every(({ title, pages }) => title !== '' && pages.length > 0)).toBe(true);
});

test('a row with several pages, and a line without a table', () => {
  const text =
    '# All\n## One\n| page | what |\n|---|---|\n| [A](a.md), [B](b/b.md) | both |\n\n## Two\n[c](c.md) · [D](../D.md)';
  expect(contentsOf(text)).toEqual([
    {
      title: 'One',
      pages: [
        { path: 'a.md', text: 'A', about: 'both' },
        { path: 'b/b.md', text: 'B', about: 'both' },
      ],
    },
    { title: 'Two', pages: [{ path: 'c.md', text: 'C', about: '' }] },
  ]);
  expect(addressOf('guide/tasks.md')).toBe('/guide/tasks');
});

test('llms.txt lists the pages with what they are about, llms-full.txt holds their text', () => {
  const sections = contentsOf('## One\n| [A](a.md) | first |\n| [B](b.md) | |\n');
  expect(llms(project, sections)).toBe('# Shop\n\n> sells\n\n## One\n\n- [A](a.md): first\n- [B](b.md)\n');
  expect(llmsFull(project, sections, (path) => `text of ${path}\n`)).toBe(
    '# Shop\n\n> sells\n\n<!-- a.md -->\n\ntext of a.md\n\n<!-- b.md -->\n\ntext of b.md\n',
  );
});

test('anchors are those of GitHub', () => {
  expect(anchorOf('A `page`, or two: --lease 1.5')).toBe('a-page-or-two---lease-15');
});

test('the lock file of the site names no registry, and is whole: npm ci refuses one that lacks a platform', () => {
  const text = read('site/package-lock.json');
  expect(text).not.toContain('"resolved"');
  const packages: Readonly<Record<string, { optionalDependencies?: object; version?: string }>> =
    JSON.parse(text).packages;
  const optional = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies),
  );
  expect(optional.length).toBeGreaterThan(20);
  expect(optional.filter((name) => packages[`node_modules/${name}`]?.version === undefined)).toEqual([]);
});
