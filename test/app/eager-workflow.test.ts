import { afterAll, describe, expect, it } from 'vitest';
import {
  App,
  ChordError,
  chain,
  chord,
  chunks,
  type FailedRequest,
  group,
  map,
  starmap,
  TaskFailedError,
  type WireException,
} from '../../src/index.ts';

const app = new App('eager', { broker: 'memory://eager-workflow' });
afterAll(() => app.close());

const add = app.task('add', (x: number, y: number) => x + y);
const double = app.task('double', (x: number) => x * 2);
const total = app.task('total', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));
const fail = app.task('fail', (why: string): number => {
  throw new RangeError(why);
});
const heard: string[] = [];
const hear = app.task('hear', (what: unknown) => {
  heard.push(JSON.stringify(what));
});

describe('apply runs', () => {
  it('a chain: each step gets what the one before it gave', async () => {
    const result = await chain(add.s(2, 4), add.s(10), double.s()).apply([]);
    expect(await result.get()).toBe(32);
    expect(await result.parent?.get()).toBe(16);
    expect(await result.parent?.parent?.get()).toBe(6);
  });

  it('a group: the list of what its members give, and of groups in it', async () => {
    const result = await group([add.s(1, 2), group([double.s(2), double.s(3)])]).apply([]);
    expect(await result.get()).toEqual([3, [4, 6]]);
    expect(await result.completedCount()).toBe(2);
  });

  it('a chord, its parts being anything', async () => {
    const sums = chord(group([add.s(1), chain(add.s(2), double.s())]), total.s());
    expect(await (await sums.apply([10])).get()).toBe(11 + 24);
    const nested = chord([group([double.s(1), double.s(2)]), group([double.s(3)])], map(total, []));
    expect(await (await nested.apply([])).get()).toEqual([]);
    const inner = chain(group([double.s(1), double.s(2)]), total.s(), group([add.s(1), add.s(2)]), total.s());
    expect(await (await inner.apply([])).get()).toBe(7 + 8);
  });

  it('empty groups and groups of one: lists, as any others', async () => {
    expect(await (await chord([], total.s()).apply([])).get()).toBe(0);
    expect(await (await chain(group([double.s(4)]), total.s()).apply([])).get()).toBe(8);
  });

  it('map, starmap and chunks', async () => {
    expect(await (await map(double, [1, 2, 3]).apply([])).get()).toEqual([2, 4, 6]);
    expect(
      await (
        await starmap(add, [
          [1, 2],
          [3, 4],
        ]).apply([])
      ).get(),
    ).toEqual([3, 7]);
    expect(
      await (
        await chunks(
          add,
          [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
          2,
        ).apply([])
      ).get(),
    ).toEqual([[3, 7], [11]]);
  });

  it('what fails: the rest of a chain has its failure, a chord a ChordError that names the member', async () => {
    const broken = await chain(fail.s('why'), double.s(), double.s()).apply([]);
    await expect(broken.get()).rejects.toThrow(/RangeError.*why/);
    expect(await broken.parent?.failed()).toBe(true);
    heard.length = 0;
    const whole = chord([add.s(1, 1), fail.s('no')], total.s()).linkError(hear.s());
    const result = await whole.apply([]);
    const error = await result.get().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ChordError);
    expect(error).toBeInstanceOf(TaskFailedError);
    expect(heard).toEqual([JSON.stringify(result.id)]);
  });

  it('an error callback that takes three arguments is given the error itself', async () => {
    const seen: unknown[] = [];
    const explain = app.task(
      'explain',
      (request: FailedRequest, error: WireException, traceback: string | null) => {
        seen.push(request.task, error.exc_type, typeof traceback);
      },
    );
    await fail.s('why').linkError(explain.s()).apply([]);
    expect(seen).toEqual(['fail', 'RangeError', 'string']);
  });

  it('what replaces a task gives its result, and what followed it follows', async () => {
    const split = app.task('split', { bind: true }, (task, x: number): number => {
      throw task.replace(chain(group([add.s(x, 1), add.s(x, 2)]), total.s()));
    });
    const result = await chain(split.s(10), double.s()).apply([]);
    expect(await result.get()).toBe(46);
    expect(await result.parent?.get()).toBe(23);
    expect(await (await split.apply([1])).get()).toBe(5);
  });

  it('allSettled: the body runs with what became of each member', async () => {
    const report = app.task('report', (all: readonly { status: string }[]) =>
      all.map(({ status }) => status),
    );
    const result = await chord([double.s(1), fail.s('no')], report.s(), { allSettled: true }).apply([]);
    expect(await result.get()).toEqual(['fulfilled', 'rejected']);
  });
});
