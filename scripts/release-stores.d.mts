// The types of what tests use of release-stores.mjs.
import type { App } from '../src/index.ts';

/** Keys of Redis, each with its value as `DUMP` gives it, base64. */
type Keys = readonly (readonly [key: string, value: string])[];

export function keptApp(url: string): Promise<App>;
export function keepStores(folder: string, storeVersion: number): Promise<void>;
export function keptIn(folder: string): {
  readonly storeVersion: number;
  readonly file: Buffer;
  readonly keys: Keys;
};
export function restore(url: string, keys: Keys): Promise<void>;
