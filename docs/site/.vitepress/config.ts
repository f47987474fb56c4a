// The site: the pages of docs/ as they are, with the table of contents as navigation, and a first page. `npm run docs` builds it.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type MarkdownOptions } from 'vitepress';
import { anchorOf } from '../anchor.ts';
import { addressOf, contentsOf } from '../contents.ts';
import { llms, llmsFull } from '../llms.ts';

const docs = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(docs, path), 'utf8');
const icon = `data:image/svg+xml,${encodeURIComponent(read('../src/dashboard/web/icon.svg'))}`;
const sections = contentsOf(read('README.md'));
const { description } = JSON.parse(read('../package.json'));
const project = { name: 'Umbel', description };
/** A site of its own (typedoc.config.mjs): a browser loads it, and not this one's script. */
const api = { text: 'API', link: '/api/index.html', target: '_self' };

export default defineConfig({
  title: project.name,
  description,
  lang: 'en',
  head: [['link', { rel: 'icon', href: icon }]],
  srcDir: '..',
  rewrites: { 'site/home.md': 'index.md', 'README.md': 'contents.md' },
  outDir: 'dist',
  cacheDir: 'node_modules/.cache/vitepress',
  markdown: {
    anchor: { slugify: anchorOf },
    html: false, // a `<name>` in prose is text
    linkify: false,
    languageAlias: { cjs: 'js' },
    config(md) {
      linksOfTheSite(md);
      diagrams(md);
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: 'deep',
    nav: [
      ...sections
        .filter(({ pages, title }) => pages.length > 0 && title !== 'Internals')
        .map(({ title, pages: [first] }) => ({ text: title, link: addressOf(first?.path ?? '') })),
      api,
    ],
    sidebar: sections.map(({ title, pages }) => ({
      text: title,
      collapsed: title === 'Internals',
      items: [
        ...pages.map(({ text, path }) => ({ text, link: addressOf(path) })),
        ...(title === 'Reference' ? [api] : []),
      ],
    })),
  },
  /** What is no page: the files for Prometheus, the markdown of each page, and the texts for language models. */
  buildEnd({ outDir, pages }) {
    cpSync(join(docs, 'prometheus'), join(outDir, 'prometheus'), { recursive: true });
    for (const page of pages.filter((each) => !each.startsWith('site/'))) {
      mkdirSync(dirname(join(outDir, page)), { recursive: true });
      cpSync(join(docs, page), join(outDir, page));
    }
    writeFileSync(join(outDir, 'llms.txt'), llms(project, sections));
    writeFileSync(join(outDir, 'llms-full.txt'), llmsFull(project, sections, read));
  },
});

type Markdown = Parameters<NonNullable<MarkdownOptions['config']>>[0];

/** A block of Mermaid's is drawn (theme/diagram.ts). */
function diagrams({ renderer }: Markdown): void {
  const code = renderer.rules.fence;
  renderer.rules.fence = (tokens, index, ...rest) => {
    const { info, content } = tokens[index] ?? { info: '', content: '' };
    if (info.trim() === 'mermaid') return `<Diagram text="${encodeURIComponent(content)}" />\n`;
    return code?.(tokens, index, ...rest) ?? '';
  };
}

/** Links to files of the repository that are not in the site (tests, source, examples) are text; the table of contents is contents.html. */
function linksOfTheSite(md: Markdown): void {
  md.core.ruler.push('links-of-the-site', ({ tokens, env }) => {
    for (const { children } of tokens) {
      let outside = false;
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const href = token.attrGet('href') ?? '';
          const file = fileOf(href, env.path);
          if (file === join(docs, 'README.md'))
            token.attrSet('href', href.replace('README.md', 'contents.md'));
          outside = file !== undefined && !file.startsWith(docs);
        }
        if (outside && token.type.startsWith('link_')) {
          outside = token.type === 'link_open';
          token.type = outside ? 'span_open' : 'span_close';
          token.tag = 'span';
          token.attrs = null;
        }
      }
    }
  });
}

/** The file that a link of a page leads to; undefined: an address, or a heading of the page. */
function fileOf(href: string, page: string): string | undefined {
  if (/^([a-z]+:|#)/.test(href)) return undefined;
  return resolve(dirname(page), href.replace(/#.*/, ''));
}
