// What is too big to be carried along is stored; here everything is too big.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/index.ts';
import type { WireSignature } from '../../src/protocol/message.ts';
import { storedId } from '../../src/protocol/workflow-wire.ts';
import { Worker } from '../../src/worker/worker.ts';
import { approximateSize, nextStep, PayloadStore, resolve } from '../../src/workflow/by-reference.ts';
import { chainOf, taskSignature } from '../../src/workflow/construct.ts';
import { sendWorkflow } from '../../src/workflow/send-workflow.ts';
import { fc } from '../lib/property.ts';
import { scaled } from '../run/scale.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { evaluate, runText } from './evaluate.ts';
import { endOf } from './outcome.ts';
import { defineRandomTasks, found, workflows } from './random-workflow.ts';

const step = (n: number): WireSignature => taskSignature(`t${n}`, [], {}, { task_id: `id${n}` });
const steps = (count: number): WireSignature[] => Array.from({ length: count }, (_, n) => step(n)).reverse();

describe('a shelf', () => {
  const payloads = (bytes: number): PayloadStore => new PayloadStore(bytes, (place) => place);

  it('leaves alone what is small', () => {
    const few = steps(3);
    expect(payloads(10_000).chain(few)).toBe(few);
    expect(payloads(10_000).one(step(1))).toEqual(step(1));
  });

  it.each([
    1, 2, 10, 500,
  ])('keeps all steps of a long chain in their order, in lists of %i or so', async (size) => {
    const kept = payloads(size * approximateSize(step(100), 10_000));
    let rest = kept.chain(steps(300));
    expect(rest.length).toBeLessThanOrEqual(size + 1);
    const lists = new Map(kept.stored.map(({ id, signatures }) => [id, signatures]));
    expect(lists.size).toBe(kept.stored.length);
    const load = async (id: string): Promise<readonly WireSignature[]> => lists.get(id) ?? [];
    const seen: string[] = [];
    for (let next = await nextStep(rest, load); next !== null; next = await nextStep(rest, load)) {
      seen.push(next.step.task);
      rest = next.rest;
      expect(rest.length).toBeLessThanOrEqual(size + 1);
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => `t${n}`));
  });

  it('refers to a body with its id, and says of it what the chord needs', async () => {
    const kept = payloads(10);
    const body: WireSignature = { ...chainOf([step(1), step(2)]), chord_size: 7, chord_policy: 'fail-fast' };
    const reference = kept.one(body);
    expect(storedId(reference)).toBe(kept.stored[0]?.id);
    expect(reference).toMatchObject({ chord_size: 7, chord_policy: 'fail-fast' });
    const again = await resolve(reference, async () => kept.stored[0]?.signatures ?? []);
    expect(again).toEqual(body);
  });

  it('says so when what it refers to is gone', async () => {
    const reference = payloads(10).one(chainOf([step(1), step(2)]));
    await expect(resolve(reference, async () => [])).rejects.toThrow(/nothing is stored/);
  });
});

describe('random workflows of which everything is stored', () => {
  const runs: string[] = [];
  const app = new App('stored', { broker: `memory://${crypto.randomUUID()}` });
  const make = defineRandomTasks(app, (n, input) => runs.push(runText(n, input)));
  const worker = new Worker(app, { logger: new MemoryLog(), concurrency: 4 });
  beforeAll(() => worker.start());
  afterAll(async () => {
    await worker.stop();
    await app.close();
  });

  it('come to what the algebra says', async () => {
    await fc.assert(
      fc.asyncProperty(workflows(4), async (described) => {
        const expected = evaluate(described);
        runs.length = 0;
        const result = await sendWorkflow(app, make(described).toJSON(), { inlineBytes: 120 });
        expect(await endOf(result)).toEqual(expected.end);
        await expect.poll(() => [...runs].sort(), { interval: 2 }).toEqual([...expected.ran].sort());
      }),
      { numRuns: scaled(40, 1000), examples: found },
    );
  }, 600_000);
});
