import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { Outcome } from '../../src/app/running/outcome.ts';
import { toRequest } from '../../src/app/running/request.ts';
import type { RunContext } from '../../src/app/running/run.ts';
import {
  LeaseLostError,
  SoftTimeLimitExceeded,
  TimeLimitExceeded,
  WorkerShutdown,
} from '../../src/errors.ts';
import { type Deferred, deferred } from '../../src/lib/deferred.ts';
import { Run, type RunLimits } from '../../src/worker/run.ts';
import { FakeClock, turn } from './fake-clock.ts';
import { FakeStore } from './fake-store.ts';
import { MemoryLog } from './memory-log.ts';
import { someMessage } from './some-message.ts';

const noLimits: RunLimits = { soft: null, hard: null };
const done: Outcome = { kind: 'success', value: 5 };

function bench() {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const states: unknown[] = [];
  const kept: string[] = [];
  const code: Deferred<Outcome> = deferred();
  const lease = new AbortController();
  let context: RunContext | undefined;
  const app = new App('shop', { broker: 'memory://' });
  const task = app.tasks.get(app.task('shop.add', (x: number, y: number) => x + y).name);
  if (task === undefined) throw new Error('the task was not registered');
  const request = toRequest(someMessage(), {
    queue: 'celery',
    redelivered: false,
    hostname: 'celery@here',
    isEager: false,
  });
  const run = new Run(task, request, new FakeStore({ together: true }).delivery({ lost: lease.signal }), {
    pool: {
      execute: (_, given, begin) => {
        begin();
        context = given;
        return code.promise;
      },
      terminate: () => false,
    },
    clock,
    logger: log,
    putState: async (_, state, meta) => {
      await turn();
      states.push([state, meta]);
    },
    keepLine: (_, level, text) => kept.push(`${level} ${text}`),
  });
  const seen = (): RunContext => context ?? expect.fail('the code was not run');
  return { clock, log, states, kept, code, lease, run, seen };
}

describe('a run', () => {
  it('keeps the lines of its code, of its logger only those that are logged, and of very many the first', async () => {
    const { run, code, kept, log, seen } = bench();
    const ending = run.execute({ soft: null, hard: null });
    Object.assign(log, { isLevelEnabled: (level: string) => level === 'warn' });
    seen().logger.info({}, 'hidden');
    seen().log('hidden in the log, but kept');
    seen().logger.child({ step: 1 }).warn({}, 'shown');
    expect(kept).toEqual(['info hidden in the log, but kept', 'warn shown']);
    expect(log.texts()).not.toContain('hidden in the log, but kept');
    for (let n = 0; n < 200; n++) run.log(String(n));
    expect(kept).toHaveLength(101);
    expect(kept.slice(-2)).toEqual(['info 97', 'info further lines are not kept (100 of an attempt)']);
    code.resolve({ kind: 'success', value: 1 });
    await ending;
  });

  it('ends as its code ends', async () => {
    const { run, code } = bench();
    const end = run.execute(noLimits);
    code.resolve(done);
    expect(await end).toBe(done);
  });

  it('sets no timer when it has no limits, and leaves none behind when it has', async () => {
    const { run, code, clock } = bench();
    const end = run.execute({ soft: 1, hard: 2 });
    expect(clock.sleeping).toBe(2);
    code.resolve(done);
    await end;
    expect(clock.sleeping).toBe(0);
    const other = bench();
    void other.run.execute(noLimits);
    expect(other.clock.sleeping).toBe(0);
  });

  it('aborts the signal of the task and nothing else', async () => {
    const { run, code, clock, seen } = bench();
    const end = run.execute({ soft: 1, hard: null });
    const { signal } = seen();
    await clock.advance(999);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    expect(signal.reason).toBeInstanceOf(SoftTimeLimitExceeded);
    code.resolve(done);
    expect(await end).toBe(done);
  });

  it('is seen by a task that looks at its signal only afterwards', async () => {
    const { run, clock, seen } = bench();
    void run.execute({ soft: 1, hard: null });
    await clock.advance(1000);
    expect(seen().signal.reason).toBeInstanceOf(SoftTimeLimitExceeded);
  });
});

describe('the hard time limit', () => {
  it('ends the run as failed, aborts its signal, and says that the code may still be running', async () => {
    const { run, clock, seen, log } = bench();
    const end = run.execute({ soft: null, hard: 3 });
    const { signal } = seen();
    await clock.advance(3000);
    expect(await end).toMatchObject({ kind: 'failure', error: new TimeLimitExceeded(3) });
    expect(signal.reason).toBeInstanceOf(TimeLimitExceeded);
    expect(log.texts('warn')).toEqual([expect.stringContaining('may still be running')]);
  });

  it('discards what the code returns later', async () => {
    const { run, clock, code, log } = bench();
    const end = run.execute({ soft: null, hard: 3 });
    await clock.advance(3000);
    code.resolve(done);
    await turn();
    expect((await end).kind).toBe('failure');
    expect(log.texts('debug')).toEqual([expect.stringContaining('discarded')]);
  });
});

describe('a run that loses its lease', () => {
  it('has its signal aborted', () => {
    const { run, lease, seen } = bench();
    void run.execute(noLimits);
    const { signal } = seen();
    lease.abort(new LeaseLostError());
    expect(signal.reason).toBeInstanceOf(LeaseLostError);
  });

  it('has it aborted, too, when it looks only afterwards', () => {
    const { run, lease, seen } = bench();
    void run.execute(noLimits);
    lease.abort(new LeaseLostError());
    expect(seen().signal.reason).toBeInstanceOf(LeaseLostError);
  });
});

describe('a run that is interrupted', () => {
  it('ends as it is told, once', async () => {
    const { run, code, seen } = bench();
    const end = run.execute(noLimits);
    run.interrupt(new WorkerShutdown(), { kind: 'abandoned' });
    run.interrupt(new Error('later'), { kind: 'ignored' });
    code.resolve(done);
    expect(await end).toEqual({ kind: 'abandoned' });
    expect(seen().signal.reason).toBeInstanceOf(WorkerShutdown);
  });

  it('after its end stays as it ended', async () => {
    const { run, code, seen } = bench();
    const end = run.execute(noLimits);
    code.resolve(done);
    await end;
    run.interrupt(new WorkerShutdown(), { kind: 'abandoned' });
    expect(await end).toBe(done);
    expect(seen().signal.aborted).toBe(false);
  });
});

describe('states that a task sets', () => {
  it('are written one after another, in the order of the calls', async () => {
    const { run, states } = bench();
    void run.execute(noLimits);
    void run.updateState('PROGRESS', { done: 1 });
    void run.updateState('PROGRESS', { done: 2 });
    await run.updateState('PROGRESS', { done: 3 });
    expect(states).toEqual([1, 2, 3].map((done) => ['PROGRESS', { done }]));
  });

  it('after the end are not written, and it is said', async () => {
    const { run, code, states, log } = bench();
    const end = run.execute(noLimits);
    code.resolve(done);
    await end;
    await run.updateState('PROGRESS', { done: 1 });
    expect(states).toEqual([]);
    expect(log.texts('warn')).toEqual([expect.stringContaining('after the end')]);
  });
});

it('every line that a task logs carries its id and name', () => {
  const { run, log, seen } = bench();
  void run.execute(noLimits);
  seen().logger.info({ rows: 3 }, 'read');
  seen().logger.child({ file: 'a' }).warn({}, 'odd');
  const { id, task } = someMessage();
  expect(log.lines.map((line) => line.fields)).toEqual([
    { task_id: id, task_name: task, rows: 3 },
    { task_id: id, task_name: task, file: 'a' },
  ]);
});
