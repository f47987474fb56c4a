// What must compile of workflows, and what must not: each `@ts-expect-error` says why. Checked by the compiler alone, never run.
import { z } from 'zod';
import {
  App,
  type AsyncResult,
  chain,
  chord,
  chunks,
  type FailedRequest,
  type Group,
  type GroupResult,
  group,
  map,
  type Settled,
  type Signature,
  starmap,
  type WireException,
} from '../../src/index.ts';

/** Compiles only if the two types are the same. */
function same<A>(): <B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
) => void {
  return () => {};
}

const app = new App('types');
const add = app.task('add', (x: number, y: number) => x + y);
const show = app.task('show', async (value: number) => String(value));
const total = app.task('total', (all: readonly number[]) => all.length);
const size = app.task('size', (text: string) => text.length);
const optional = app.task('optional', (x: number, y?: number) => x + (y ?? 0));
const join = app.task('join', (separator: string, ...parts: string[]) => parts.join(separator));
const nothing = app.task('nothing', () => {});

// Partial calls wait for what is missing at their beginning.
same<Signature<[number, number], number>>()<ReturnType<typeof add.s<[]>>>();
const waits: Signature<[x: number], number> = add.s(10);
const ready: Signature<[], number> = add.s(1, 2);
await add.s(10).delay(5);
await add.s(1, 2).delay();
await add.si(1, 2).delay();
await optional.s(10).delay();
await optional.s(10).delay(1);
await join.s('a', 'b').delay('-');
// @ts-expect-error x is missing
await add.s(10).delay();
// @ts-expect-error nothing is missing
await add.s(1, 2).delay(3);
// @ts-expect-error y is a number
add.s('10');
// @ts-expect-error one argument too many
add.s(1, 2, 3);
// @ts-expect-error si takes all arguments
add.si(1);

// A chain takes what its first step waits for, and gives what its last one gives.
const sixteen = chain(add.s(2, 4), add.s(10));
same<Signature<[], number>>()<typeof sixteen>();
same<Promise<AsyncResult<number>>>()<ReturnType<typeof sixteen.delay>>();
const text: Signature<[number], string> = chain(add.s(10), add.s(1), show.s());
same<Signature<[], number>>()<ReturnType<typeof chainOfThree>>();
function chainOfThree() {
  return chain(add.s(1, 2), show.s(), size.s());
}
chain(nothing.s(), add.si(1, 2), optional.s());
chain(add.s(1, 2), add.si(3, 4));
add.s(1, 2).pipe(show.s()).pipe(size.s());
// @ts-expect-error the second step has all its arguments, so that the first one's result would be one too many
chain(add.s(1, 2), add.s(3, 4));
// @ts-expect-error a number is no text
chain(add.s(1, 2), size.s());
// @ts-expect-error the second step misses two
chain(add.s(1, 2), add.s());
// @ts-expect-error text is no number
add.s(1, 2).pipe(show.s()).pipe(add.s(1));
// @ts-expect-error the chain still misses its first argument
await chain(add.s(10), show.s()).delay();

// A group gives what its members give: tuple in, tuple out.
const pair = group([add.s(1, 2), show.s(3)]);
same<Group<[], [number, string]>>()<typeof pair>();
same<Promise<GroupResult<[number, string]>>>()<ReturnType<typeof pair.delay>>();
const list = group([1, 2].map((x) => add.s(x, 1)));
same<Group<[], number[]>>()<typeof list>();
await group([add.s(1), show.s()]).delay(5);
const nested = group([group([add.s(1, 2)]), show.s(1)]);
same<Group<[], [[number], string]>>()<typeof nested>();
// @ts-expect-error its members wait for a number
await group([add.s(1), show.s()]).delay();
// @ts-expect-error its members wait for a number
await group([add.s(1), show.s()]).delay('5');

// In a chain and as a chord's header it gives a list.
same<Signature<[], number>>()<ReturnType<typeof groupInChain>>();
function groupInChain() {
  return chain(add.s(1, 2), group([add.s(1), add.s(2)]), total.s());
}
const bytes = chord(group(['a', 'b'].map((url) => size.s(url))), total.s());
same<Signature<[], number>>()<typeof bytes>();
await chord([add.s(1), add.s(2)], total.s()).delay(3);
// @ts-expect-error it is a group, as long as it has no body
chord([add.s(1, 2)]);
// @ts-expect-error a list of texts is no list of numbers
chord(group([show.s(1)]), total.s());
// @ts-expect-error the body has no place for the results
chord(group([add.s(1, 2)]), add.s(1, 2));
// @ts-expect-error a number is no list
chain(add.s(1, 2), total.s());

// With allSettled the body gets what became of each.
const report = app.task('report', (all: readonly Settled<number>[]) => all.length);
chord([add.s(1, 2)], report.s(), { allSettled: true });
// @ts-expect-error without it, it gets the values
chord([add.s(1, 2)], report.s());
// @ts-expect-error with it, it gets more than values
chord([add.s(1, 2)], total.s(), { allSettled: true });

// Callbacks get the result, error callbacks the failed task's id.
const note = app.task('note', (id: string) => id);
add.s(1, 2).link(show.s()).linkError(note.s());
const explain = app.task(
  'explain',
  (request: FailedRequest, error: WireException, traceback: string | null, to: string) => [
    request.id,
    error.exc_type,
    traceback,
    to,
  ],
);
add.s(1, 2).linkError(explain.s('ops'));
// @ts-expect-error the callback wants text
add.s(1, 2).link(size.s());
// @ts-expect-error the error callback gets an id, which is text
add.s(1, 2).linkError(show.s());

// Items of map, starmap and chunks are arguments of the task.
const shown: Signature<[], string[]> = map(show, [1, 2]);
const sums: Signature<[], number[]> = starmap(add, [[1, 2]]);
const pieces: Group<[], number[][]> = chunks(add, [[1, 2]], 10);
// @ts-expect-error text is no number
map(show, ['1']);
// @ts-expect-error the second number is missing
starmap(add, [[1]]);

// Keyword tasks wait for one of their members.
const resize = app.task(
  'resize',
  { input: z.object({ path: z.string(), width: z.number() }) },
  ({ path }) => path,
);
const full: Signature<[], string> = resize.s({ path: 'a.png', width: 3 });
const waiting: Signature<[string], string> = resize.s({ width: 3 });
chain(show.s(1), resize.s({ width: 3 }), size.s());
// @ts-expect-error what is missing is a text
chain(add.s(1, 2), resize.s({ width: 3 }));
// @ts-expect-error the width is a number
resize.s({ width: '3' });
// @ts-expect-error si takes them all
resize.si({ width: 3 });

// By name, the types are what you say.
const describe = app.signature<[number], string>('py.describe');
chain(add.s(1, 2), describe, size.s());
// @ts-expect-error it was said to take a number
chain(show.s(1), describe);
const predict = app.remote<(text: string) => number[]>('ml.predict');
chain(show.s(1), predict.s(), total.s());

// A stream of members, and its chord.
async function* urls() {
  yield size.s('a');
}
const streamed: GroupResult<number[]> = await group(urls()).delay();
const counted: AsyncResult<number> = await chord(group(urls()), total.s()).delay();
// @ts-expect-error the members give numbers
chord(group(urls()), app.task('texts', (all: string[]) => all.length).s());

// Lists whose length the compiler does not know.
const steps: Signature<[number], number>[] = [add.s(1), add.s(2)];
const dynamic: Signature<[number], number> = chain<[number], number>(steps);

for await (const result of await list.delay()) same<AsyncResult<number>>()<typeof result>();

// A web request keeps a group by its chord's frozen result.
await chord(group([add.s(1, 2)]), total.s())
  .freeze()
  .result.parent?.save();

export { counted, dynamic, full, pieces, ready, shown, streamed, sums, text, waiting, waits };
