import { expect, it } from 'vitest';
import { checkArity, parametersOf } from '../../src/app/running/arity.ts';
import { App } from '../../src/index.ts';
import { MemoryLog } from '../worker/memory-log.ts';

it('knows the parameters of code that names them, and says nothing of any other', () => {
  const known = [
    () => 1,
    (x: unknown) => x,
    async (x: unknown, y: unknown) => [x, y],
    function plain(x: unknown, y: unknown) {
      return [x, y];
    },
    {
      async method(x: unknown) {
        return x;
      },
    }.method,
  ];
  expect(known.map((run) => parametersOf(run as never)?.length)).toEqual([0, 1, 2, 2, 1]);
  const unknown = [
    (...all: unknown[]) => all,
    (x: unknown, y = 1) => [x, y],
    ({ x }: { x: unknown }) => x,
    function count() {
      // biome-ignore lint/complexity/noArguments: it is what is tested
      return arguments.length;
    },
    Math.max,
  ];
  expect(unknown.map((run) => parametersOf(run as never))).toEqual(unknown.map(() => null));
});

it('too many arguments of another program are refused, of too few the log tells once', () => {
  const app = new App('arity', { broker: 'memory://arity' });
  const log = new MemoryLog();
  const add = app.task('add', (x: number, y: number) => x + y);
  const bound = app.task('bound', { bind: true }, (_, x: number) => x);
  expect(() => checkArity(add, [1, 2, 3], log)).toThrow('takes at most 2 arguments (x, y), 3 given');
  expect(() => checkArity(bound, [1, 2], log)).toThrow('takes at most 1 arguments (x), 2 given');
  for (const args of [[1], [1], [1, 2]]) checkArity(add, args, log);
  expect(log.lines.map(({ level, text }) => [level, text])).toEqual([
    ['warn', expect.stringContaining('add was called from another program without y')],
  ]);
});
