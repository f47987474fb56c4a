// A configuration of Celery's may name any of its settings: at Celery's own default each is taken.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/config/config.ts';
import { needs } from '../needs.ts';
import { noPython, python } from '../protocol/python.ts';

const listing = `
import json, datetime
from celery.app.defaults import NAMESPACES, flatten
def plain(value):
    if isinstance(value, datetime.timedelta): return value.total_seconds()
    if isinstance(value, (set, frozenset, tuple)): return sorted(value)
    return 'Infinity' if value == float('inf') else value
print(json.dumps({name: plain(option.default) for name, option in flatten(NAMESPACES)}))
`;

needs(describe, noPython)("Celery's settings", () => {
  test('each at its default', () => {
    const text = execFileSync(python, ['-c', listing], { encoding: 'utf8' });
    const all: [string, unknown][] = Object.entries(JSON.parse(text));
    expect(all.length).toBeGreaterThan(160);
    for (const [name, value] of all) {
      const given = { [name]: value === 'Infinity' ? Number.POSITIVE_INFINITY : value };
      expect(() => resolveConfig(given), name).not.toThrow();
    }
  });

  test('another value of one that is not supported, and a name that is none, are refused', () => {
    const refused = (given: object): void => void resolveConfig(given);
    expect(() => refused({ broker_pool_limit: 0 })).toThrow(
      "'broker_pool_limit' of Celery is not supported; remove it",
    );
    expect(() => refused({ elasticsearch_timeout: 3 })).toThrow(/not supported/);
    expect(() => refused({ broker_pool_limits: 10 })).toThrow(/unknown setting 'broker_pool_limits'/);
    expect(() => refused({ task_serializer: null })).toThrow(/task_serializer/);
  });
});
