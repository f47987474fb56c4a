// Parameters by position or by name, as Python calls a function.
import { describe, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { parameters as names } from '../../src/config/parameters.ts';
import { readValue } from '../../src/lib/schema.ts';
import { bindArguments } from '../../src/sending/arguments.ts';
import { newApp, startWorker } from '../worker/bench.ts';

const bind = (parameters: readonly string[], args: readonly unknown[], kwargs = {}): unknown =>
  bindArguments(
    'add',
    { input: null, parameters: parameters === undefined ? null : readValue(names, parameters, 'here') },
    args,
    kwargs,
  );

describe('parameters that are named', () => {
  test.each<[readonly string[], readonly unknown[], object, readonly unknown[]]>([
    [['x', 'y'], [1, 2], {}, [1, 2]],
    [['x', 'y'], [1], { y: 2 }, [1, 2]],
    [['x', 'y'], [], { y: 2, x: 1 }, [1, 2]],
    [['x', 'y?'], [1], {}, [1]],
    [['x', 'y?', 'z?'], [1], { z: 3 }, [1, undefined, 3]],
    [['x', '*more'], [1, 2, 3], {}, [1, 2, 3]],
    [['x', '*more'], [], { x: 1 }, [1]],
    [['x', 'y?', '**options'], [1], { a: 4 }, [1, undefined, { a: 4 }]],
    [['**options'], [], {}, [{}]],
  ])('%j of %j and %j', (parameters, args, kwargs, bound) => {
    expect(bind(parameters, args, kwargs)).toEqual(bound);
  });

  test.each<[readonly string[], readonly unknown[], object, RegExp]>([
    [['x', 'y'], [1], {}, /misses y/],
    [['x', 'y', 'z?'], [], { z: 1 }, /misses x, y/],
    [['x'], [1, 2], {}, /takes at most 1 positional arguments \(x\), 2 given/],
    [['x'], [1], { x: 2 }, /\$kwargs\.x.*given twice/],
    [['x'], [1], { q: 2 }, /\$kwargs\.q.*no such parameter; it has x/],
  ])('%j refuses %j and %j', (parameters, args, kwargs, why) => {
    expect(() => bind(parameters, args, kwargs)).toThrow(why);
  });

  test.each<[readonly string[], RegExp]>([
    [['x?', 'y'], /'y' is required, so it must stand before/],
    [['x', 'x'], /a name occurs twice/],
    [['*x', 'y'], /'\*x' is no parameter/],
    [['x y'], /'x y' is no parameter/],
  ])('%j is refused when the task is defined', (parameters, why) => {
    const app = new App('shop', { broker: 'memory://' });
    expect(() => app.task('add', { parameters }, () => null)).toThrow(why);
  });

  test('a worker runs a call whose arguments have names', async () => {
    const app = await newApp('memory');
    const add = app.task(
      'add',
      { parameters: ['x', 'y', 'z?'] },
      (x: number, y: number, z: number = 10) => x + y + z,
    );
    await startWorker(app);
    expect(await (await app.send('add', [1], { kwargs: { y: 2 } })).get()).toBe(13);
    expect(await (await add.delay(1, 2, 3)).get()).toBe(6);
    await expect(app.send('add', [1])).rejects.toThrow(/misses y/);
  });
});
