// How the projects of `umbel init` check their style: by Biome, as Umbel itself does. Pure.
import { json } from './json.ts';

/** The version with which the templates were checked. */
export const biome: Readonly<Record<string, string>> = { '@biomejs/biome': '2.5.0' };

export const lintScript = 'biome check';

/** `biome.json`. */
export const biomeJson: string = json({
  $schema: './node_modules/@biomejs/biome/configuration_schema.json',
  vcs: { enabled: true, clientKind: 'git', useIgnoreFile: true },
  files: { includes: ['**', '!package-lock.json'] },
  formatter: { indentStyle: 'space', indentWidth: 2, lineWidth: 110 },
  javascript: { formatter: { quoteStyle: 'single' } },
});
