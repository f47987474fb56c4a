// The documentation for language models: llms.txt, a list of the pages, and llms-full.txt, all of them in one file.
import type { Section } from './contents.ts';

/** What the documentation is about, in one sentence. */
interface Project {
  readonly name: string;
  readonly description: string;
}

/** A title, a sentence, and the pages by section, each a link to its markdown. */
export function llms(project: Project, sections: readonly Section[]): string {
  const lists = sections.map(({ title, pages }) =>
    [
      `## ${title}`,
      '',
      ...pages.map(({ path, text, about }) => `- [${text}](${path})${about && `: ${about}`}`),
    ].join('\n'),
  );
  return `${[heading(project), ...lists].join('\n\n')}\n`;
}

/** All pages in the order of the table of contents, each below the name of its file. */
export function llmsFull(
  project: Project,
  sections: readonly Section[],
  read: (path: string) => string,
): string {
  const texts = sections
    .flatMap(({ pages }) => pages)
    .map(({ path }) => `<!-- ${path} -->\n\n${read(path).trim()}`);
  return `${[heading(project), ...texts].join('\n\n')}\n`;
}

function heading({ name, description }: Project): string {
  return `# ${name}\n\n> ${description}`;
}
