// Checks of a worker's pool that the application's settings and a worker's options share.
import { ConfigError } from '../errors.ts';
import { check } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';
import { suggest } from '../lib/suggest.ts';

export const poolNames = ['async', 'solo', 'threads', 'processes'] as const;
export type PoolName = (typeof poolNames)[number];

/** Bounds of the number of tasks at a time, which follows the load. */
export interface Autoscale {
  readonly max: number;
  readonly min: number;
}

/** A pool by our name or Celery's: `prefork` is `processes`. */
export const pool: Check<PoolName | 'prefork', PoolName> = check(
  [...poolNames, 'prefork'].map((each) => `'${each}'`).join(' or '),
  (name) => {
    const known = poolNames.find((each) => each === name);
    if (known !== undefined) return known;
    if (name === 'prefork') return 'processes';
    if (name === 'eventlet' || name === 'gevent')
      throw new ConfigError(`there is no pool '${name}'; use 'async', which serves the same purpose`);
    const near = suggest(String(name), poolNames);
    throw new ConfigError(
      `there is no pool '${String(name)}'${near ? `; did you mean '${near}'?` : `; there are ${poolNames.join(', ')}`}`,
    );
  },
);

export const autoscale: Check<Autoscale> = {
  ...check('an object like { max: 10, min: 2 }', (given, what) => {
    if (typeof given === 'object' && given !== null && 'max' in given && 'min' in given) {
      const { max, min } = given;
      if (isCount(max) && isCount(min) && max >= min) return { max, min };
    }
    throw new ConfigError(
      `${what} takes two whole numbers, { max: 10, min: 2 }, with min from 1 to max; not ${JSON.stringify(given)}`,
    );
  }),
  text: {
    expected: 'the maximum and the minimum, like 10,2',
    // In Celery's order: max,min.
    read(text) {
      const [max = 0, min = 1, ...rest] = text.split(',').map(Number);
      return rest.length === 0 && isCount(max) && isCount(min) && max >= min ? { max, min } : undefined;
    },
  },
};

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1;
}
