import { expect, it } from 'vitest';
import { newApp } from '../worker/bench.ts';
import { stranger } from './hostile.ts';

it('has no error of the server for any absurd value in any place of any route', async () => {
  expect(await stranger(await newApp('sqlite'), { atOnce: 25 })).toEqual([]);
}, 300_000);
