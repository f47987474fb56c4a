import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { openBackend, openTransport } from '../../src/stores/registry.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-open-'));
afterAll(() => rmSync(folder, { recursive: true }));

const openers: [string, (url: string) => Promise<AsyncDisposable & { readonly name: string }>][] = [
  ['broker', openTransport],
  ['backend', (url) => openBackend(url, { expiresMs: null })],
];

describe.each(openers)('the URL of a %s', (what, open) => {
  test.each([
    ['memory://shop', 'memory'],
    ['memory://', 'memory'],
    [`sqlite://${folder}/absolute.db`, 'sqlite'],
    [`sqlite://${relative('.', folder)}/relative.db`, 'sqlite'],
    [`SQLite://./${relative('.', folder)}/dotted.db`, 'sqlite'],
    [`sqlite://${folder}/deep/er/with%20space.db`, 'sqlite'],
  ])('%s opens its driver', async (url, driver) => {
    await using opened = await open(url);
    expect(opened.name).toBe(driver);
  });

  test.each([
    [
      what === 'broker' ? 'amqps://u:secret@host?x=1' : 'rpc://u:secret@host',
      /leave out what comes after|leave it out/,
    ],
    ['mysql://u:secret@localhost/x', /'mysql:\/\/' is unknown; there are sqlite:\/\//],
    ['sqlite://', /needs a path/],
    [`sqlite://${folder}/x.db?mode=ro&password=secret`, /'\?mode' in the URL is not understood/],
    ['u:secret@host', /must be a URL like/],
    ['', /must be a URL like/],
  ])('%s is refused with the way out, and without its password', async (url, reason) => {
    const error = await open(url).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(reason);
    expect(String(error)).toContain(what);
    expect(String(error)).not.toContain('secret');
  });
});

test('all who open memory:// by one name share the store, and other names and the last one closed do not', async () => {
  const one = await openTransport('memory://open-shared');
  const two = await openTransport('memory://open-shared');
  const backend = await openBackend('memory://open-shared', { expiresMs: null });
  const other = await openTransport('memory://open-other');
  expect(two.store).toBe(one.store);
  expect(backend.store).toBe(one.store);
  expect(other.store).not.toBe(one.store);
  for (const each of [one, two, backend, other]) await each.close();
  await using again = await openTransport('memory://open-shared');
  expect(again.store).not.toBe(one.store);
});
