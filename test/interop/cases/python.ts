// The harness itself, Python to Python: when this fails, what fails elsewhere in this folder says nothing of us.
import { expect, test } from 'vitest';
import { until } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';

export function pythonCases(pair: () => Pair): void {
  test('a call is answered', async () => {
    expect(await pair().python.call('py.add', { args: '(2, 3)' })).toBe(5);
  });

  test('values come back as what they were', async () => {
    const seen = await pair().python.call('py.echo', { args: '(["ä", 2**70, 1.5, nan, {"k": None}],)' });
    expect(seen).toEqual(['ä', 2n ** 70n, 1.5, Number.NaN, { k: null }]);
  });

  test('a failure is told with class, arguments and traceback', async () => {
    const { python } = pair();
    const id = await python.send('py.fail');
    const outcome = await python.get(id);
    expect(outcome).toMatchObject({
      state: 'FAILURE',
      error: { class: 'ValueError', args: ['deliberate', 42] },
    });
    expect(outcome).toHaveProperty('traceback', expect.stringContaining('interop_app.py'));
    expect(await python.meta(id)).toMatchObject({ state: 'FAILURE', failed: true, children: [] });
  });

  test('what a worker does not know is told in its log', async () => {
    const { python, pythonWorker } = pair();
    const before = pythonWorker.process.written;
    await python.send('nobody.knows', { options: 'dict(queue="py")' });
    await until(() => pythonWorker.process.since(before).includes('Received unregistered task of type'));
  });
}
