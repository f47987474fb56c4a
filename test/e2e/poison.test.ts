// One of the tasks kills its worker each time, with six good ones beside it; in the long run also alone.
import { describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { until } from '../until.ts';
import { lookInto } from './harness/store.ts';
import { Trial, trialMs } from './harness/trial.ts';

describe.concurrent('a task that kills its worker', { timeout: trialMs }, () => {
  needs(it, inLongRun)(
    'is in the dead-letter store after five dead workers, and the queue goes on',
    async () => {
      const { dead, ended } = await poison({ neighboursFirst: false });
      expect(dead).toEqual(['max-deliveries']);
      expect(ended).toBe(6);
    },
  );

  it('does not take the tasks that ran beside it with it', async () => {
    const { dead, ended } = await poison({ neighboursFirst: true });
    expect(dead).toEqual(['max-deliveries']);
    expect(ended).toBe(6);
  });
});

/** One killer and six good tasks, beside it or behind it; workers are replaced as they die. */
async function poison({
  neighboursFirst,
}: {
  neighboursFirst: boolean;
}): Promise<{ dead: string[]; ended: number }> {
  await using trial = new Trial({ slots: neighboursFirst ? 7 : 1 });
  const sender = await trial.sender();
  const orders = [
    { count: 1, ms: 50, kind: 'suicide' },
    { count: 6, ms: 200 },
  ];
  for (const order of neighboursFirst ? orders.toReversed() : orders) sender.tell(JSON.stringify(order));
  await sender.line('sent 7');
  for (let deaths = 0; deaths < 5; deaths++) {
    const worker = await trial.worker();
    await worker.exited;
  }
  await trial.worker();
  await until(() => trial.ended === 6, 'the good ones have ended');
  using file = await lookInto(trial.store);
  await until(() => file.messages() === 0, 'nothing is left to run');
  return { dead: file.dead().map(({ reason }) => reason), ended: trial.ended };
}
