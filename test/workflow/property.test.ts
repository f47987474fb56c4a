import { afterAll, expect, it } from 'vitest';
import { App } from '../../src/index.ts';
import { fc } from '../lib/property.ts';
import { scaled } from '../run/scale.ts';
import { evaluate, runText } from './evaluate.ts';
import { endOf } from './outcome.ts';
import { defineRandomTasks, found, workflows } from './random-workflow.ts';

const runs: string[] = [];
const app = new App('property', { broker: 'memory://canvas-property' });
const make = defineRandomTasks(app, (n, input) => runs.push(runText(n, input)));
afterAll(() => app.close());

it('any workflow, run in place, comes to what the algebra says, and runs each task as often as it says', async () => {
  await fc.assert(
    fc.asyncProperty(workflows(4), async (described) => {
      const expected = evaluate(described);
      runs.length = 0;
      const signature = make(described) as unknown as { apply(args: []): ReturnType<never> };
      const end = await endOf(await signature.apply([]));
      expect(end).toEqual(expected.end);
      expect([...runs].sort()).toEqual([...expected.ran].sort());
    }),
    { numRuns: scaled(60, 1000), examples: found },
  );
}, 600_000);
