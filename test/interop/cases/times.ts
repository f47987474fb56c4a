// Calls for later.
import { expect, test } from 'vitest';
import type { Pair } from '../harness/pair.ts';

interface Seen {
  readonly eta: string;
  readonly at: number;
}

export function timeCases(pair: () => Pair): void {
  test('a countdown that TypeScript gives is kept by Python', async () => {
    const due = Date.now() / 1000 + 1;
    const seen = await pair().callPython<Seen>('py.request', [], { countdown: 1 });
    expect(seen.at).toBeGreaterThanOrEqual(due - 0.005); // Python's clock of waiting is not that of the time
  });

  test('an eta that TypeScript gives is read by Python to the millisecond', async () => {
    const eta = new Date(Date.now() + 300);
    const seen = await pair().callPython<Seen>('py.request', [], { eta });
    expect(new Date(seen.eta)).toEqual(eta);
    expect(seen.at).toBeGreaterThanOrEqual(eta.getTime() / 1000 - 0.005);
  });

  test('a countdown that Python gives is kept by TypeScript, never early', async () => {
    const due = Date.now() / 1000 + 1;
    const seen = (await pair().callTypeScript('ts.request', { options: 'dict(countdown=1)' })) as Seen;
    expect(seen.at).toBeGreaterThanOrEqual(due);
    expect(seen.at).toBeGreaterThanOrEqual(new Date(seen.eta).getTime() / 1000);
  });

  test('an eta in any zone is the same moment in TypeScript', async () => {
    const options =
      'dict(eta=datetime.now(timezone(timedelta(hours=5, minutes=30))) + timedelta(seconds=0.5))';
    const before = Date.now() / 1000 + 0.5;
    const seen = (await pair().callTypeScript('ts.request', { options })) as Seen;
    expect(seen.at).toBeGreaterThanOrEqual(before);
  });

  test('an eta without a zone is UTC, as in Celery', async () => {
    const options = 'dict(eta=datetime.utcnow() + timedelta(seconds=0.5))';
    const before = Date.now() / 1000 + 0.5;
    const seen = (await pair().callTypeScript('ts.request', { options })) as Seen;
    expect(seen.at).toBeGreaterThanOrEqual(before);
  });
}
