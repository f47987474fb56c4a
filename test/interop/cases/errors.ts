// A failure over there, as it is seen here.
import { expect, test } from 'vitest';
import { TaskFailedError, TaskRevokedError } from '../../../src/index.ts';
import { patience } from '../../until.ts';
import { errorOf, type Pair } from '../harness/pair.ts';
import type { PythonOutcome } from '../harness/python-client.ts';

export function errorCases(pair: () => Pair): void {
  const pythonFails = async (kind: string): Promise<Error> => errorOf(pair().callPython('py.fail', [kind]));
  const typescriptFails = async (kind: string): Promise<PythonOutcome> => {
    const { python } = pair();
    return python.get(await python.send('ts.fail', { args: `("${kind}",)` }));
  };

  test('a Python exception arrives in TypeScript with its type, message and traceback', async () => {
    const error = await pythonFails('value');
    expect(error).toBeInstanceOf(TaskFailedError);
    expect(error).toMatchObject({
      code: 'UMBEL_TASK_FAILED',
      remoteType: 'ValueError',
      remoteMessage: "('deliberate', 42)",
      remoteStack: expect.stringMatching(
        /^Traceback \(most recent call last\):[\s\S]*interop_app\.py[\s\S]*ValueError/,
      ),
    });
    expect(error.message).toContain('ValueError');
  });

  test('a Python exception with other letters, an own class, a cause, or bytes in it', async () => {
    expect(await pythonFails('unicode')).toMatchObject({
      remoteType: 'KeyError',
      remoteMessage: 'Schlüssel 鍵 🎉',
    });
    expect(await pythonFails('custom')).toMatchObject({
      remoteType: 'InsufficientFunds',
      remoteMessage: '(5, 7)',
    });
    const chained = await pythonFails('cause');
    expect(chained).toMatchObject({ remoteType: 'RuntimeError', remoteMessage: 'outer' });
    expect(chained).toHaveProperty('remoteStack', expect.stringContaining("KeyError: 'missing'"));
    expect(await pythonFails('bytes')).toMatchObject({ remoteType: 'RuntimeError' });
  });

  test("Celery's own errors in Python have their names in TypeScript", async () => {
    expect(await pythonFails('soft')).toMatchObject({ remoteType: 'SoftTimeLimitExceeded' });
    expect(await errorOf(pair().callPython('py.retry_too_often'))).toMatchObject({
      remoteType: 'MaxRetriesExceededError',
      remoteMessage: expect.stringContaining("Can't retry py.retry_too_often"),
    });
    expect(await errorOf(pair().callPython('py.nobody_knows_it'))).toMatchObject({
      remoteType: 'NotRegistered',
      remoteMessage: 'py.nobody_knows_it',
    });
  });

  test('a time limit that TypeScript gives is kept by Python, and seen as such', async () => {
    const soft = await errorOf(pair().callPython('py.sleep', [120], { softTimeLimit: 1, timeLimit: 100 }));
    expect(soft).toMatchObject({ remoteType: 'SoftTimeLimitExceeded' });
    const hard = await errorOf(pair().callPython('py.sleep', [120], { timeLimit: 1 }));
    expect(hard).toMatchObject({ remoteType: 'TimeLimitExceeded' });
  });

  test('a time limit that Python gives is kept by TypeScript, and seen as such', async () => {
    const { python } = pair();
    const limited = async (options: string) =>
      python.get(await python.send('ts.sleep', { args: '(120,)', options }));
    expect(await limited('dict(soft_time_limit=0.2)')).toMatchObject({
      error: { class: 'SoftTimeLimitExceeded', module: 'billiard.exceptions' },
    });
    expect(await limited('dict(time_limit=0.2)')).toMatchObject({
      error: { class: 'TimeLimitExceeded', module: 'billiard.exceptions', args: [0.2] },
    });
  });

  test("a TypeScript error arrives in Python as Python's own class where there is one of that name", async () => {
    const outcome = await typescriptFails('type');
    expect(outcome).toMatchObject({
      state: 'FAILURE',
      error: { class: 'TypeError', module: 'builtins', args: ['deliberate'], text: 'deliberate' },
      traceback: expect.stringMatching(/^TypeError: deliberate\n\s+at /),
    });
  });

  test('any other TypeScript error arrives in Python as an exception of its name', async () => {
    expect(await typescriptFails('custom')).toMatchObject({
      error: {
        class: 'InsufficientFunds',
        args: ['balance 5, needed 7'],
        bases: expect.arrayContaining(['Exception']),
      },
    });
    expect(await typescriptFails('unicode')).toMatchObject({
      error: { class: 'RangeError', text: 'Schlüssel 鍵 🎉' },
    });
    expect(await typescriptFails('text')).toMatchObject({
      error: { class: 'Error', args: ['the task threw just text'] },
    });
    expect(await typescriptFails('cause')).toMatchObject({
      error: { class: 'Error', args: ['outer'] },
      traceback: expect.stringContaining('Caused by: Error: inner'),
    });
  });

  test("a TypeScript task raises a Python program's own exception, with its arguments, and throws on what a Python task has raised", async () => {
    const own = { class: 'InsufficientFunds', module: 'interop_app', text: 'balance 5, needed 7' };
    expect(await typescriptFails('python')).toMatchObject({ error: { ...own, args: [5, 7] } });
    const again = await typescriptFails('again');
    expect(again).toMatchObject({ error: { ...own, args: [5, 7] } });
    expect(again).toHaveProperty('traceback', expect.stringContaining('interop_app.py'));
  });

  test("Celery's own errors in TypeScript are Celery's classes in Python", async () => {
    const { python } = pair();
    expect(await typescriptFails('soft')).toMatchObject({
      error: { class: 'SoftTimeLimitExceeded', module: 'billiard.exceptions' },
    });
    expect(await python.get(await python.send('ts.retry_too_often'))).toMatchObject({
      error: {
        class: 'MaxRetriesExceededError',
        module: 'celery.exceptions',
        text: expect.stringContaining('ts.retry_too_often'),
      },
    });
    expect(await typescriptFails('function')).toMatchObject({
      error: { class: 'EncodeError', module: 'kombu.exceptions' },
    });
  });

  test('what had expired is revoked, not run, and says so on the other side', async () => {
    const { python, app } = pair();
    const past = 'dict(expires=datetime.now(UTC) - timedelta(seconds=5))';
    expect(await python.get(await python.send('ts.add', { args: '(1, 2)', options: past }))).toMatchObject({
      state: 'REVOKED',
      error: { class: 'TaskRevokedError', module: 'celery.exceptions', args: ['expired'] },
    });
    const result = await app.send('py.add', [1, 2], { expires: new Date(Date.now() - 5000) });
    const error = await errorOf(result.get(patience));
    expect(error).toBeInstanceOf(TaskRevokedError);
    expect(error).toMatchObject({ reason: 'expired' });
  });

  test('what has not expired runs', async () => {
    expect(await pair().callPython('py.add', [1, 2], { expires: 3600 })).toBe(3);
    expect(await pair().callTypeScript('ts.add', { args: '(1, 2)', options: 'dict(expires=3600)' })).toBe(3);
  });
}
