// Retries: each side's own, and one that goes over to the other side.
import { expect, test } from 'vitest';
import { patience } from '../../until.ts';
import { errorOf, type Pair } from '../harness/pair.ts';

/** Seconds that a retry waits: who looks too late tries again with more of them. */
function* longerAndLonger(): Generator<number> {
  for (let wait = 1; ; wait *= 2) yield wait;
}

export function retryCases(pair: () => Pair): void {
  test('a Python task that retries ends well for its caller in TypeScript', async () => {
    expect(await pair().callPython('py.retry', [2])).toEqual({ lang: 'py', retries: 2 });
  });

  test('a TypeScript task that retries ends well for its caller in Python', async () => {
    expect(await pair().callTypeScript('ts.retry', { args: '(2,)' })).toEqual({ lang: 'ts', retries: 2 });
  });

  test('while a task of Python waits for its retry, TypeScript sees RETRY and the reason', async () => {
    for (const wait of longerAndLonger()) {
      const result = await pair().app.send('py.retry', [1, wait]);
      const record = await pair().seen(result, ({ status }) => status === 'RETRY' || status === 'SUCCESS');
      expect(await result.get(patience)).toEqual({ lang: 'py', retries: 1 });
      if (record.status !== 'RETRY') continue; // its wait was over before we looked
      expect(record.result).toMatchObject({ exc_type: 'RuntimeError', exc_message: ['try 0'] });
      break;
    }
  });

  test('while a task of TypeScript waits for its retry, Python sees RETRY and the reason', async ({
    skip,
  }) => {
    const { app, python, servers } = pair();
    if (!servers.sharedResults) return skip('by rpc Celery looks at states only while it waits for the end');
    for (const wait of longerAndLonger()) {
      const sent = await python.send('ts.retry', { args: `(1, ${wait})` });
      await pair().seen(app.result(sent), ({ status }) => status === 'RETRY' || status === 'SUCCESS');
      const meta = await python.meta(sent);
      expect(await python.get(sent)).toMatchObject({ value: { lang: 'ts', retries: 1 } });
      if (meta.state === 'SUCCESS') continue;
      expect(meta).toMatchObject({ state: 'RETRY', info: expect.stringContaining('try 0') });
      break;
    }
  });

  test('a retry that Python sends is run by TypeScript', async () => {
    expect(await pair().callPython('both.retry', ['ts'], { queue: 'py' })).toEqual({
      lang: 'ts',
      retries: 1,
    });
  });

  test('a retry that TypeScript sends is run by Python', async () => {
    const call = { args: '("py",)', options: 'dict(queue="ts")' };
    expect(await pair().callTypeScript('both.retry', call)).toEqual({ lang: 'py', retries: 1 });
  });

  test('the retries that one side used up are used up on the other', async () => {
    const outcome = errorOf(pair().callPython('both.bounce', ['ts', 'py'], { queue: 'py' }));
    expect(await outcome).toMatchObject({ remoteType: 'RuntimeError', remoteMessage: 'bounced 4 times' });
  });
}
