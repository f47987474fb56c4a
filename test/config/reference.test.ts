// The reference of the settings says what their rows say.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import { snake } from '../../src/config/spelling.ts';
import { type Field, SameAs } from '../../src/lib/schema.ts';

const source = readFileSync(new URL('../../src/config/settings.ts', import.meta.url), 'utf8');

/** The JSDoc above a row. */
function documentationOf(name: string): string | undefined {
  const end = source.indexOf(`\n  ${name}: field(`);
  const start = source.lastIndexOf('/**', end);
  const close = source.indexOf('*/', start);
  if (close + 2 !== end) return undefined; // another row stands between them
  const comment = source.slice(start + 3, close);
  return comment
    .replaceAll(/\n\s*\*/g, '')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .trim();
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function standardOf({ standard, expected }: Field<unknown>): string {
  if (standard instanceof SameAs) return `as \`${standard.name}\``;
  if (typeof standard === 'number' && expected.startsWith('a duration')) return `${standard} s`;
  return `\`${typeof standard === 'string' ? standard : JSON.stringify(standard)?.replaceAll('"', "'")}\``;
}

test('docs/reference/settings.md has every setting', async () => {
  let page = `# Settings

\`new App(name, settings)\` takes these settings, also in Celery's spelling: \`taskTimeLimit\` is \`task_time_limit\`, \`broker\` is \`broker_url\`, and \`backend\` is
\`result_backend\`. Durations are seconds, or text like \`'10m'\`. An unknown setting is an error. For Celery's
other settings see [From Celery](../guide/from-celery.md#settings). (Written by its test: \`npx vitest run test/config/reference.test.ts -u\`.)

| setting | default | takes | |
|---|---|---|---|
`;
  for (const [name, row] of Object.entries<Field<unknown>>(settings)) {
    const documentation = documentationOf(name);
    // An editor shows the default beside the sentence: it is that of the row.
    const usual = standardOf(row);
    const shown = /^as |^`(?:null|\{\}|\[\])`$/.test(usual) ? '' : ` Default ${usual}.`;
    expect(documentation, `what src/config/settings.ts says of ${name}`).toMatch(/\.$/);
    expect(documentation?.slice(documentation.length - shown.length), name).toBe(shown);
    const sentence = documentation?.slice(0, documentation.length - shown.length);
    const { celery = snake(name), variables = [] } = row.notes;
    const besides = celery === snake(name) ? '' : ` Celery's \`${celery}\`.`;
    const environment = variables.length > 0 ? ` Also from \`${variables.join('`, `')}\`.` : '';
    page += `| \`${name}\` | ${cell(usual)} | ${cell(row.expected.replace(" (seconds, or text like '10m')", ''))} | ${cell(`${sentence}${besides}${environment}`)} |\n`;
  }
  await expect(page).toMatchFileSnapshot('../../docs/reference/settings.md');
});
