// The JSON schema of umbel.config.json is true for what the documentation shows. (documented.test.ts writes it.)
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { project, umbel } from './harness.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

test('it accepts what the documentation shows, and refuses a misspelt option', () => {
  const schema = z.fromJSONSchema(JSON.parse(read('umbel.config.schema.json')));
  const [, shown = ''] = /```json\n(\{\n {2}"\$schema"[\s\S]*?)```/.exec(read('docs/cli.md')) ?? [];
  const config = JSON.parse(shown);
  expect(schema.safeParse(config).error).toBeUndefined();
  for (const wrong of [
    { worker: { concurency: 4 } },
    { wroker: {} },
    { app: 7 },
    { queues: { first: 'middle' } },
  ])
    expect(schema.safeParse({ ...config, ...wrong }).success, JSON.stringify(wrong)).toBe(false);
});

test('umbel.config.json is read, and what is wrong with it is said', async () => {
  const app = `import { App } from 'umbel'; export const app = new App('shop'); app.task('shop.add', () => 1);`;
  const list = (config: string) =>
    umbel(project({ 'app.js': app, 'umbel.config.json': config }), ['list', 'bindings', '--json']);
  expect(await list('{ "$schema": "./x.json", "app": "./app.js" }')).toMatchObject({ code: 0 });
  expect(await list('{ "app": ')).toMatchObject({ code: 2, stderr: /cannot read umbel.config.json: / });
  expect((await list('[]')).stderr).toMatch(/umbel\.config\.json must hold an object, like \{ "app"/);
  expect((await list('{ "aap": "./app.js" }')).stderr).toMatch(/there is no 'aap'; did you mean 'app'\?/);
});
