import { afterEach, beforeEach, expect, test } from 'vitest';
import { App, chain, chord, group } from '../../src/index.ts';
import { drain } from '../../src/testing/testing.ts';

let app: App;
beforeEach(() => {
  app = new App('shop', { broker: 'memory://', backend: 'memory://' });
});
afterEach(() => app.close());

/** What receivers hear of publications: `before add`, `after add`. */
function listen(): string[] {
  const heard: string[] = [];
  app.signals.beforeTaskPublish.connect(({ message }) => heard.push(`before ${message.task}`));
  app.signals.afterTaskPublish.connect(({ message }) => heard.push(`after ${message.task}`));
  return heard;
}

const add = () => app.task('add', (x: number, y: number) => x + y);
const sum = () => app.task('sum', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));

test.each<[string, readonly string[], () => Promise<unknown>]>([
  ['one call', ['add'], () => add().delay(1, 2)],
  [
    'many calls',
    ['add', 'add'],
    () =>
      add().applyMany([
        [1, 2],
        [3, 4],
      ]),
  ],
  [
    'a workflow',
    ['add', 'add'],
    () => {
      const task = add();
      return group([task.s(1, 2), task.s(3, 4)]).delay();
    },
  ],
  [
    'a stream',
    ['add', 'add'],
    () => {
      const task = add();
      return group(new Set([task.s(1, 2), task.s(3, 4)])).delay();
    },
  ],
])('receivers hear of each message before and after it is sent: %s', async (_, tasks, send) => {
  const heard = listen();
  await send();
  expect(heard).toEqual([...tasks.map((task) => `before ${task}`), ...tasks.map((task) => `after ${task}`)]);
});

test('receivers hear of what follows a task, too', async () => {
  const task = add();
  const result = await chord([task.s(1, 2), task.s(3, 4)], chain(sum().s(), task.s(5))).delay();
  const heard = listen();
  await drain(app);
  expect(await result.get()).toBe(15);
  expect(heard.filter((each) => each.startsWith('before')).sort()).toEqual(['before add', 'before sum']);
  expect(heard.filter((each) => each.startsWith('after')).sort()).toEqual(['after add', 'after sum']);
});

test('a duplicate is not told of as sent, and no receiver sees the lock of a unique task', async () => {
  const once = app.task('once', { unique: { policy: 'return existing' } }, () => 1);
  const headers: object[] = [];
  app.signals.beforeTaskPublish.connect((call) => headers.push({ ...call.headers }));
  const heard = listen();
  const first = await once.delay();
  const second = await once.delay();
  expect(second.id).toBe(first.id);
  expect(heard).toEqual(['before once', 'after once', 'before once']);
  expect(headers).toEqual([{}, {}]);
});

test('what is run in place is not told of as sent', async () => {
  await using eager = new App('eager', { broker: 'memory://', taskAlwaysEager: true });
  const task = eager.task('add', (x: number, y: number) => x + y);
  let heard = 0;
  eager.signals.beforeTaskPublish.connect(() => heard++);
  await task.delay(1, 2);
  await task.applyMany([[1, 2]]);
  await group([task.s(1, 2)]).delay();
  expect(heard).toBe(0);
});
