// The table of contents, docs/README.md, as data: the navigation of the site and llms.txt are made of it.

/** A page: `path` is relative to docs/, `text` what a link to it says, `about` the rest of its row. */
export interface Page {
  readonly path: string;
  readonly text: string;
  readonly about: string;
}

export interface Section {
  readonly title: string;
  readonly pages: readonly Page[];
}

/** The sections of a table of contents in markdown, with the pages that they link. Links that leave the folder are no pages. */
export function contentsOf(markdown: string): readonly Section[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...lines] = section.split('\n');
      return { title: title.trim(), pages: lines.flatMap(pagesOf) };
    });
}

/** The address of a page in the site: `guide/tasks.md` is /guide/tasks. */
export function addressOf(path: string): string {
  return `/${path.replace(/\.md$/, '')}`;
}

function pagesOf(line: string): readonly Page[] {
  const [, , about = ''] = line.split('|').map((cell) => cell.trim());
  return [...line.matchAll(/\[([^\]]+)\]\(([^)\s#]+\.md)\)/g)]
    .filter(([, , path = '']) => !path.startsWith('../'))
    .map(([, text = '', path = '']) => ({
      path,
      text: text.charAt(0).toUpperCase() + text.slice(1),
      about: about.includes('](') ? '' : about,
    }));
}
