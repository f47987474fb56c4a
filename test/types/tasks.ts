// What must compile, and what must not: each `@ts-expect-error` says why. Checked by the compiler alone, never run.
import { z } from 'zod';
import { App, type AsyncResult, currentTask, type KeywordTask, type Task } from '../../src/index.ts';

/** Compiles only if the two types are the same. */
function same<A>(): <B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
) => void {
  return () => {};
}

const app = new App('types', { brokerUrl: 'redis://localhost/0', resultBackend: null });
new App('types', { taskTimeLimit: '10m', result_backend: 'redis://localhost/1', task_soft_time_limit: 30 });
// @ts-expect-error a limit is a duration
new App('types', { taskTimeLimit: 'ten minutes' });

// Positional tasks: the types are those of the code.
const add = app.task('add', (x: number, y: number) => x + y);
same<Task<[x: number, y: number], number, number>>()<typeof add>();
same<Promise<AsyncResult<number>>>()<ReturnType<typeof add.delay>>();
same<number>()<ReturnType<typeof add>>();
export const sum: number = await (await add.delay(1, 2)).get();
await add.applyAsync([1, 2], { countdown: '10m', queue: 'slow', priority: 3 });
await add.applyMany([
  [1, 2],
  [3, 4],
]);
const fixed = [1, 2] as const;
await add.applyAsync(fixed);
await add.applyMany([fixed, fixed]);
await add.apply(fixed);
// @ts-expect-error of a fixed list, too, each argument must fit
await add.applyAsync(['1', 2] as const);
// @ts-expect-error a text is no number
await add.delay('1', 2);
// @ts-expect-error an argument is missing
await add.delay(1);
// @ts-expect-error one argument too many
await add.delay(1, 2, 3);
// @ts-expect-error the arguments are a list
await add.applyAsync(1, 2);
// @ts-expect-error one of the list is missing
await add.applyAsync([1]);
// @ts-expect-error one of the many is wrong
await add.applyMany([[1, '2']]);
// @ts-expect-error the id is each call's own
await add.applyMany([[1, 2]], { taskId: 'one' });
// @ts-expect-error there is no such option
await add.applyAsync([1, 2], { countdwn: 3 });
// @ts-expect-error there is no such unit
await add.applyAsync([1, 2], { countdown: '5 parsecs' });
await add.applyAsync([1, 2], { countdown: '1.5 h', expires: '500ms' });
// @ts-expect-error a countdown is no Date
await add.applyAsync([1, 2], { countdown: new Date() });
// @ts-expect-error the result is a number
export const wrongSum: string = await (await add.delay(1, 2)).get();
// @ts-expect-error called like a function it takes numbers
add('1', 2);

// What an async task returns is what it resolves with.
const size = app.task('size', async (path: string) => path.length);
same<Promise<AsyncResult<number>>>()<ReturnType<typeof size.delay>>();
same<Promise<number>>()<ReturnType<typeof size>>();

// Optional and rest arguments stay what they are.
const join = app.task('join', (separator: string, ...parts: string[]) => parts.join(separator));
await join.delay('-', 'a', 'b');
await join.delay('-');
const optional = app.task('optional', (x: number, y?: number) => x + (y ?? 0));
await optional.delay(1);
await optional.delay(1, 2);
// @ts-expect-error the rest are texts
await join.delay('-', 1);

// Options do not change the types.
const careful = app.task(
  'careful',
  { maxRetries: 5, retryBackoff: true, timeLimit: '1m', autoretryFor: [TypeError] },
  (x: number) => String(x),
);
same<Promise<AsyncResult<string>>>()<ReturnType<typeof careful.delay>>();
const generic = app.task('generic', { maxRetries: 5 }, <T extends string>(text: T) => text);
await generic.delay('a');
// @ts-expect-error there is no such option
app.task('odd', { maxRetry: 5 }, () => 1);
// @ts-expect-error null means for ever; a text means nothing
app.task('odd', { maxRetries: 'many' }, () => 1);
// @ts-expect-error classes of errors are listed, not their names
app.task('odd', { autoretryFor: ['TypeError'] }, () => 1);

// With bind the first parameter is the task; callers do not give it.
const bound = app.task('bound', { bind: true }, async (task, url: string) => {
  await task.updateState('PROGRESS', { done: 1 });
  if (task.request.retries > 0) throw task.retry(new Error('again'), { countdown: 10 });
  return [task.name, url, task.signal.aborted] as const;
});
same<Promise<AsyncResult<readonly [string, string, boolean]>>>()<ReturnType<typeof bound.delay>>();
await bound.delay('https://example.com');
// @ts-expect-error the task is not given by the caller
await bound.delay(bound, 'https://example.com');
const perhaps: boolean = Math.random() > 0.5;
// @ts-expect-error nobody knows what its code is given
app.task('odd', { bind: perhaps }, () => 1);
// @ts-expect-error a task has no such member
app.task('odd', { bind: true }, (task) => task.retries);
// @ts-expect-error a retry has no such option
app.task('odd', { bind: true }, (task) => task.retry(undefined, { countdwn: 1 }));

// Keyword tasks: what goes in is the schema's input, what the code gets is its output.
const Order = z.object({
  id: z.string(),
  count: z.coerce.number<string>(),
  urgent: z.boolean().default(false),
});
const order = app.task('order', { input: Order }, (input) => {
  same<{ id: string; count: number; urgent: boolean }>()<typeof input>();
  return input.count;
});
same<KeywordTask<{ id: string; count: string; urgent?: boolean | undefined }, number>>()<typeof order>();
await order.delay({ id: 'a', count: '3' });
await order.applyAsync({ id: 'a', count: '3' }, { queue: 'orders' });
export const direct: Promise<number> = order({ id: 'a', count: '3', urgent: true });
// @ts-expect-error a member is missing
await order.delay({ id: 'a' });
// @ts-expect-error a member is wrong
await order.delay({ id: 'a', count: true });
// @ts-expect-error the arguments are one object
await order.applyAsync([{ id: 'a', count: '3' }]);
// @ts-expect-error something has to be given
await order.delay();
// @ts-expect-error a schema of text is no object of keyword arguments
app.task('odd', { input: z.string() }, (text) => text);
const bounded = app.task(
  'bounded',
  { input: Order, bind: true },
  (task, input) => [task.name, input.urgent] as const,
);
same<Promise<AsyncResult<readonly [string, boolean]>>>()<ReturnType<typeof bounded.delay>>();

// All members optional: the object may be left out.
const anything = app.task(
  'anything',
  { input: z.object({ note: z.string().optional() }) },
  (input) => input.note ?? '',
);
await anything.delay();
await anything.delay({ note: 'x' });

// Remote tasks: the signature is said, the code is elsewhere.
const predict = app.remote<(text: string, top?: number) => Promise<string[]>>('ml.predict', { queue: 'ml' });
same<Promise<AsyncResult<string[]>>>()<ReturnType<typeof predict.delay>>();
await predict.delay('text');
// @ts-expect-error the first argument is a text
await predict.delay(5);
// @ts-expect-error it cannot be called here: it returns nothing that could be used
export const called: string[] = predict;

// With keyword arguments, as Python's functions often want them.
type Train = (input: { data: string; rounds?: number }) => Promise<number>;
const train = app.remote<Train>('ml.train', { keywords: true, queue: 'ml' });
same<Promise<AsyncResult<number>>>()<ReturnType<typeof train.delay>>();
await train.delay({ data: 'a' });
await train.applyAsync({ data: 'a', rounds: 3 }, { priority: 3 });
// @ts-expect-error a member is missing
await train.delay({ rounds: 3 });
// @ts-expect-error the arguments are one object
await train.delay('a', 3);

// By name: the result is unknown unless said.
same<Promise<AsyncResult<unknown>>>()<ReturnType<typeof app.send>>();
export const named: AsyncResult<number> = await app.send<number>('add', [1, 2], {
  kwargs: { z: 3 },
  countdown: 5,
});

// Outside of a task there is none.
// @ts-expect-error it may be undefined
currentTask().name;

// Settings, in either spelling.
new App('settings', { taskDefaultQueue: 'q', taskTimeLimit: '1m' });
new App('settings', { task_default_queue: 'q', broker_url: 'memory://', result_backend: null });
// @ts-expect-error there is no such setting
new App('settings', { taskDefaultQueu: 'q' });
// @ts-expect-error nor in Celery's spelling
new App('settings', { task_default_queu: 'q' });
// @ts-expect-error a queue is a text
new App('settings', { task_default_queue: 5 });

// Signals carry what they say.
app.signals.taskFailure.connect(({ error, request }) => [error.message, request.id]);
// @ts-expect-error a success has no error
app.signals.taskSuccess.connect(({ error }) => error);

// A result that a task returns travels as Celery's tuple.
const outer = app.task('outer', async (x: number) => (x > 0 ? add.delay(x, 1) : null));
const tuple = await (await outer.delay(1)).get();
// @ts-expect-error: it is no result until `resultFromTuple` makes one of it
tuple?.get();
export const inner: AsyncResult<number> = app.resultFromTuple<number>(tuple);

// An argument with a default needs its type: the compiler infers none from the default where a list of arguments is inferred.
const greet = app.task('greet', { parameters: ['name', 'times?'] }, (name: string, times: number = 1) =>
  name.repeat(times),
);
await greet.delay('x');
await greet.delay('x', 2);
// @ts-expect-error times is a number
await greet.delay('x', '2');
// @ts-expect-error without its type it is unknown
app.task('greet.wrong', (name: string, times = 1) => name.repeat(times));
