import { describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { newApp } from '../worker/bench.ts';
import { refused, routesOf, samples, stranger } from './hostile.ts';
import { hostileStores } from './hostile-stores.ts';

it('knows of each route what a stranger could send', async () => {
  expect(Object.keys(samples).sort()).toEqual([...routesOf(await newApp('memory'))].sort());
});

it('refuses by its name what is missing, or has a NUL, and tells no worker of it', async () => {
  expect(await refused(await newApp('sqlite'))).toEqual([]);
});

for (const { name, missing, open } of hostileStores)
  needs(describe, missing)(`on ${name}`, () => {
    it('has no error of the server for what is right', async () => {
      const options = { isMeant: ({ at }: { readonly at: string }) => at === '', atOnce: 10 };
      expect(await stranger(await open(), options)).toEqual([]);
    });
  });
