// The conformance case of the figures of health, for stores of messages and of results.
import assert from 'node:assert/strict';
import type { HealthFigure, StoreHealthOptions } from '../stores/store-health.ts';

interface TellsHealth {
  health?(options: StoreHealthOptions): Promise<readonly HealthFigure[]>;
}

/** A store without figures passes. */
export const healthCase = {
  title: 'figures of health are numbers with a name, and one that is unknown says why',
  async run(open: () => Promise<TellsHealth>): Promise<void> {
    const figures = await (await open()).health?.({ managementUrl: null });
    if (figures === undefined) return;
    assert.ok(figures.length > 0);
    assert.equal(new Set(figures.map(({ name }) => name)).size, figures.length);
    for (const { name, value, limit, note } of figures) {
      assert.notEqual(name, '');
      if (value === null) assert.notEqual(note, '', `${name} is unknown, and the note does not say why`);
      else assert.ok(Number.isFinite(value) && value >= 0, `${name} is ${value}`);
      assert.ok(limit === null || limit > 0, `the limit of ${name} is ${limit}`);
    }
  },
} as const;
