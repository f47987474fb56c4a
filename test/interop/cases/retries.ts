// Retries: each side's own, and one that goes over to the other side.
import { expect, test } from 'vitest';
import { errorOf, type Pair } from '../harness/pair.ts';

export function retryCases(pair: () => Pair): void {
  test('a Python task that retries ends well for its caller in TypeScript', async () => {
    expect(await pair().callPython('py.retry', [2])).toEqual({ lang: 'py', retries: 2 });
  });

  test('a TypeScript task that retries ends well for its caller in Python', async () => {
    expect(await pair().callTypeScript('ts.retry', { args: '(2,)' })).toEqual({ lang: 'ts', retries: 2 });
  });

  test('while a task waits for its retry, the other side sees RETRY and the reason', async () => {
    const { app, python, servers } = pair();
    const result = await app.send('py.retry', [1, 1.5]);
    const record = await pair().seen(result, ({ status }) => status === 'RETRY');
    expect(record.result).toMatchObject({ exc_type: 'RuntimeError', exc_message: ['try 0'] });
    expect(await result.get({ timeout: 10 })).toEqual({ lang: 'py', retries: 1 });
    if (!servers.sharedResults) return;
    const sent = await python.send('ts.retry', { args: '(1, 1.5)' });
    await pair().seen(app.result(sent), ({ status }) => status === 'RETRY');
    expect(await python.meta(sent)).toMatchObject({ state: 'RETRY', info: expect.stringContaining('try 0') });
    expect(await python.get(sent)).toMatchObject({ value: { lang: 'ts', retries: 1 } });
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
