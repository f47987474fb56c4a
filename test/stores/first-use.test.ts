// A store's limits when they are used for the first time, or by one who was taken for dead meanwhile.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { openTransport } from '../../src/stores/registry.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { scaled } from '../run/scale.ts';
import { patienceMs } from '../until.ts';
import { moduleOf, newStore } from '../worker/bench.ts';

const rounds = scaled(3, 100);
const program = moduleOf('test/stores/first-use-child.ts');

async function child(): Promise<ChildProcess> {
  const started = fork(program, { execArgv: [] });
  onTestFinished(() => void started.kill('SIGKILL'));
  await once(started, 'message');
  return started;
}

it('two processes that begin in the same moment both get what the limit has for them', {
  timeout: 1.5 * patienceMs + rounds * 2000,
}, async () => {
  const children = await Promise.all([child(), child()]);
  for (let round = 0; round < rounds; round++) {
    const url = await newStore('sqlite');
    const answers = await Promise.all(
      children.map((each) => {
        const answered = once(each, 'message');
        each.send(url);
        return answered.then(([answer]) => answer);
      }),
    );
    expect(answers, `round ${round}`).toEqual([
      { url, grant: { granted: true } },
      { url, grant: { granted: true } },
    ]);
  }
});

it('one that was taken for dead joins again, and gets its permit at once', async () => {
  const url = await newStore('sqlite');
  await using transport = await openTransport(url);
  await using limits = await transport.openLimits?.({ leaseMs: 15_000, name: 'w', onFree: () => undefined });
  const store = await SqliteStore.open(url.slice('sqlite://'.length));
  onTestFinished(() => store.close());
  await store.write(false, ({ sql }) => sql('DELETE FROM peer').run());
  const ask = { kind: 'concurrency', name: 'a', key: 'a', limit: 1, burst: 1 } as const;
  const rest = { queue: 'celery', waits: true, baseMs: 10_000, perMs: 100, capMs: 600_000 };
  expect(await limits?.take({ token: 't', id: 't', asks: [ask], ...rest })).toEqual({ granted: true });
  expect(await limits?.take({ token: 'u', id: 'u', asks: [ask], ...rest })).toMatchObject({ granted: false });
});
