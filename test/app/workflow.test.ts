import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerUnavailable, SendUnconfirmed } from '../../src/errors.ts';
import {
  App,
  ConfigError,
  chain,
  chord,
  GroupResult,
  group,
  PartlySentError,
  type Signature,
  WorkflowError,
} from '../../src/index.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { storedId } from '../../src/protocol/workflow-wire.ts';
import type { Publication } from '../../src/stores/transport.ts';
import { drain } from '../../src/testing/testing.ts';

let app: App;
beforeEach(() => {
  app = new App('flow', { broker: `memory://${crypto.randomUUID()}` });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await app.close();
});

/** Some of these are thousands of tasks. */
const patient = { timeout: 60 };

function tasks() {
  return {
    add: app.task('add', (x: number, y: number) => x + y),
    total: app.task('total', (all: readonly number[]) => all.reduce((a, b) => a + b, 0)),
    count: app.task('count', (all: readonly unknown[]) => all.length),
  };
}

/** Each publication, written down; the one of that number fails. */
async function recorded(failing?: number, failure?: Error): Promise<Publication[][]> {
  const transport = await app.broker();
  const published: Publication[][] = [];
  const publish = transport.publish.bind(transport);
  vi.spyOn(transport, 'publish').mockImplementation(async (publications) => {
    if (published.length === failing && failure !== undefined) throw failure;
    published.push([...publications]);
    return publish(publications);
  });
  return published;
}

function messagesOf(published: readonly Publication[][]): TaskMessage[] {
  return published.flat().map(({ message }) => {
    const decoded = decodeTask(message);
    if (!decoded.ok) throw new Error(decoded.refusal.detail);
    return decoded.value;
  });
}

/** Calls in numbers, made as they are asked for. */
function* calls(signature: (index: number) => Signature<[], number>, count: number) {
  for (let index = 0; index < count; index++) yield signature(index);
}

describe('sending a workflow', () => {
  it('takes one publication for a thousand members', async () => {
    const { add } = tasks();
    const published = await recorded();
    const result = await group(Array.from({ length: 1000 }, (_, n) => add.s(n, 1))).delay();
    expect(published.map(({ length }) => length)).toEqual([1000]);
    expect(messagesOf(published).map(({ group: id, groupIndex }) => [id, groupIndex])).toEqual(
      Array.from({ length: 1000 }, (_, index) => [result.id, index]),
    );
    expect(result.length).toBe(1000);
  });

  it('sends nothing when one of its calls cannot be written', async () => {
    const { add } = tasks();
    const published = await recorded();
    const wrong = Symbol('no number') as unknown as number;
    await expect(group([add.s(1, 2), add.s(1, wrong)]).delay()).rejects.toThrow(/cannot be serialized/);
    expect(published).toEqual([]);
  });

  it('says what was sent when one of several publications fails, and the frozen one may be sent again', async () => {
    const { add, total } = tasks();
    const whole = chord(
      Array.from({ length: 2100 }, (_, n) => add.s(n, 1)),
      total.s(),
    ).freeze();
    const published = await recorded(1, new SendUnconfirmed(['x'], 'no answer'));
    const failed = await whole.applyAsync([], { retry: false }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(PartlySentError);
    const { sent, unconfirmed, unsent } = failed as PartlySentError;
    expect([sent.length, unconfirmed.length, unsent.length]).toEqual([1000, 1000, 100]);
    expect((failed as Error).cause).toBeInstanceOf(SendUnconfirmed);
    vi.restoreAllMocks();
    const result = await whole.delay();
    expect(published[0]?.map(({ id }) => id)).toEqual(sent);
    await drain(app, patient);
    expect(result.id).toBe(whole.result.id);
    expect(await result.get({ timeout: 60 })).toBe((2100 * 2101) / 2);
  });

  it('has the time of a send for each of its publications', async () => {
    const { add } = tasks();
    let passed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => passed);
    const { transport } = await app.open();
    const left: (number | undefined)[] = [];
    vi.spyOn(transport, 'publish').mockImplementation(async (_, options) => {
      left.push(options?.timeoutMs);
      passed += 8_000;
    });
    const members = Array.from({ length: 3000 }, (_, n) => add.s(n, 1));
    await group(members).applyAsync([], { publishTimeout: 10 });
    expect(left).toEqual([10_000, 10_000, 10_000]);
  });

  it('was not sent at all when its first publication fails', async () => {
    const { add } = tasks();
    await recorded(0, new BrokerUnavailable('away'));
    const sending = chain(add.s(1, 2), add.s(3)).applyAsync([], { retry: false });
    await expect(sending).rejects.toThrow(BrokerUnavailable);
  });

  it('makes the calls of a task its children, of its workflow', async () => {
    const { add } = tasks();
    const outer = app.task('outer', async () => {
      await chain(add.s(1, 2), add.s(3)).delay();
      await group([add.s(1, 1), add.s(2, 2)]).delay();
    });
    const result = await outer.delay();
    await drain(app, patient);
    const [first, second] = await result.children();
    expect(await first?.get()).toBe(3);
    expect(second).toBeInstanceOf(GroupResult);
    expect(await second?.get()).toEqual([2, 4]);
    expect((await first?.record())?.parentId).toBe(result.id);
    const [next] = (await first?.children()) ?? [];
    expect(await next?.get()).toBe(6);
  });

  it('gives options to all parts, the delay to the first, and the id to the result', async () => {
    const { add } = tasks();
    const published = await recorded();
    const result = await chain(add.s(1, 2), add.s(3).set({ queue: 'own' })).applyAsync([], {
      queue: 'all',
      countdown: 60,
      taskId: 'mine',
      timeLimit: '10m',
    });
    expect(result.id).toBe('mine');
    const [message] = messagesOf(published);
    expect(published[0]?.[0]?.queue).toBe('all');
    expect(message?.eta).toBeInstanceOf(Date);
    expect(message?.timeLimit).toBe(600);
    expect(message?.embed.chain?.[0]?.options).toMatchObject({
      queue: 'own',
      time_limit: 600,
      task_id: 'mine',
    });
    expect(message?.embed.chain?.[0]?.options).not.toHaveProperty('countdown');
  });

  it('refuses a chord where nothing gathers its results, and says what to do', async () => {
    const { add, total } = tasks();
    await using bare = new App('bare', { broker: `memory://${crypto.randomUUID()}`, backend: null });
    const x = bare.task('x', () => 1);
    const y = bare.task('y', (all: number[]) => all.length);
    await expect(chord([x.s()], y.s()).delay()).rejects.toThrow(
      /needs a result backend .* 'bare' keeps no results/,
    );
    expect(() => chain(add.s(1, 2), y.s() as never)).toThrow(/belong to two applications/);
    expect(() => group([total.s()]).link(add.s(1) as never)).toThrow(/make it a chord/);
  });

  it('needs no broker for what is empty', async () => {
    expect(await (await group([]).delay()).get()).toEqual([]);
    expect(await (await chain(group([]), group([])).delay()).get()).toEqual([]);
  });
});

describe('a big workflow', () => {
  it('a chain of a thousand steps travels in small messages', async () => {
    const { add } = tasks();
    const published = await recorded();
    const steps = Array.from({ length: 999 }, () => add.s(1));
    const result = await chain<[], number>([add.s(0, 1), ...steps]).delay();
    expect(published.flat()).toHaveLength(1);
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe(1000);
    const largest = Math.max(...published.flat().map(({ message }) => message.body.length));
    expect(largest).toBeLessThan(40_000);
  });

  it("a chord's members carry a big body by reference", async () => {
    const { add, total } = tasks();
    const published = await recorded();
    const body = chain<[number[]], number>([total.s(), ...Array.from({ length: 300 }, () => add.s(1))]);
    const result = await chord(
      Array.from({ length: 20 }, (_, n) => add.s(n, 0)),
      body,
    ).delay();
    for (const { embed } of messagesOf(published)) {
      expect(storedId(embed.chord ?? never)).not.toBeNull();
      expect(embed.chord?.options.task_id).toBeTypeOf('string');
    }
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe(190 + 300);
  });

  it('two hundred groups one after another are no deeper for JSON than a few', async () => {
    const { add } = tasks();
    const least = app.task('least', (all: readonly number[]) => Math.min(...all));
    const steps = Array.from({ length: 200 }, () => [group([add.s(1), add.s(2)]), least.s()]).flat();
    const result = await chain<[], number>([add.s(0, 0), ...steps]).delay();
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe(200);
  });

  it('chords nested five deep carry each body once', async () => {
    const { add, count } = tasks();
    const published = await recorded();
    let nested: Signature<[], number> = add.s(1, 1);
    for (let depth = 0; depth < 5; depth++) nested = chord([nested, add.s(depth, 1), nested], count.s());
    const result = await nested.delay();
    const largest = Math.max(...published.flat().map(({ message }) => message.body.length));
    expect(largest).toBeLessThan(8_000);
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe(3);
  });
});

describe('a group whose end nobody knows', () => {
  it('is sent while it is made, never more than two windows ahead', async () => {
    const { add } = tasks();
    const published = await recorded();
    let made = 0;
    let ahead = 0;
    async function* members() {
      for (; made < 2500; made++) {
        ahead = Math.max(ahead, made - published.flat().length);
        yield add.s(made, 0);
      }
    }
    const result = await group(members()).delay();
    expect(result.length).toBe(2500);
    expect(published.map(({ length }) => length)).toEqual([1000, 1000, 500]);
    expect(ahead).toBeLessThanOrEqual(2000);
    await drain(app, patient);
    expect((await result.get({ timeout: 60 }))[2499]).toBe(2499);
  });

  it('can be the header of a chord, whose size is said before the last member is sent', async () => {
    const { add, total } = tasks();
    const result = await chord(group(calls((n) => add.s(n, 0), 1100)), total.s()).delay();
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe((1100 * 1099) / 2);
    const none = await chord(group(calls((n) => add.s(n, 0), 0)), total.s()).delay();
    await drain(app, patient);
    expect(await none.get({ timeout: 60 })).toBe(0);
  });

  it('says what was sent when making its members fails', async () => {
    const { add } = tasks();
    function* broken() {
      yield* calls((n) => add.s(n, 0), 1500);
      throw new RangeError('the file ends here');
    }
    const failed = await group(broken())
      .delay()
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(PartlySentError);
    expect((failed as PartlySentError).sent).toHaveLength(1000);
    expect((failed as Error).message).toContain('the file ends here');
  });

  it('is run in place with taskAlwaysEager', async () => {
    await using eager = new App('eager', {
      broker: `memory://${crypto.randomUUID()}`,
      taskAlwaysEager: true,
    });
    const one = eager.task('one', () => 1);
    const size = eager.task('size', (all: number[]) => all.length);
    const members = function* () {
      for (let n = 0; n < 3; n++) yield one.s();
    };
    expect(await (await chord(group(members()), size.s()).delay()).get()).toBe(3);
    expect(await (await group(members()).delay()).get()).toEqual([1, 1, 1]);
  });
});

describe('signatures', () => {
  it('are values: each method gives a new one', () => {
    const { add } = tasks();
    const call = add.s(1, 2);
    const before = JSON.stringify(call);
    call.set({ queue: 'q' });
    call.link(add.s(1));
    call.stamp({ customer: 'c1' });
    call.freeze();
    expect(JSON.stringify(call)).toBe(before);
  });

  it('become JSON and come back', async () => {
    const { add, total } = tasks();
    const whole = chord(group([add.s(1), chain(add.s(2), add.s(3))]), total.s()).set({ queue: 'celery' });
    const text = JSON.stringify(whole);
    const again = app.signatureFrom<[number], number>(JSON.parse(text));
    expect(JSON.stringify(again)).toBe(text);
    const result = await again.delay(10);
    await drain(app, patient);
    expect(await result.get({ timeout: 60 })).toBe(11 + 15);
    expect(() => app.signatureFrom({ task: 'celery.chain', kwargs: { tasks: [7] } })).toThrow(WorkflowError);
    expect(() => app.signatureFrom('no')).toThrow(WorkflowError);
    expect(() => group(app.signature('t') as never)).toThrow(/a group takes one list of its members/);
  });

  it('of tasks by name, wherever they live', async () => {
    const { add } = tasks();
    const published = await recorded();
    await chain(
      add.s(1, 2),
      app.signature<[number], string>('py.describe', ['x'], { queue: 'python' }),
    ).delay();
    expect(messagesOf(published)[0]?.embed.chain?.[0]).toMatchObject({
      task: 'py.describe',
      args: ['x'],
      options: { queue: 'python' },
    });
    expect(() => app.signature('x', [], { taskId: '' })).toThrow(ConfigError);
  });

  it('take the queue of their task along, for whoever sends them', () => {
    const predict = app.remote<(text: string) => number>('ml.predict', { queue: 'ml', timeLimit: 30 });
    expect(predict.s().toJSON().options).toEqual({ queue: 'ml', time_limit: 30 });
  });

  it('are linked by the options of a call, too', async () => {
    const { add } = tasks();
    const published = await recorded();
    const options = {
      link: [add.s(9), add.s(8)],
      linkError: add.si(0, 0),
      queue: 'q',
      taskId: 'first',
    } as const;
    const result = await add.applyAsync([1, 2], options as never);
    await add
      .s(1, 2)
      .link(add.s(9))
      .link(add.s(8))
      .linkError(add.si(0, 0))
      .applyAsync([], { queue: 'q', taskId: 'second' });
    const [first, second] = messagesOf(published);
    expect(result.id).toBe('first');
    expect(first?.embed.callbacks).toHaveLength(2);
    expect(first).toMatchObject({ args: [1, 2], embed: second?.embed });
    expect(published.flat().map(({ queue }) => queue)).toEqual(['q', 'q']);
    await expect(add.applyAsync([1, 2], { link: add as never })).rejects.toThrow(
      "'link' in the call of 'add' must be a signature, as task.s() gives it, or a list of them",
    );
  });

  it('may be of another copy of the package, as callbacks and in schedules alike', async () => {
    const { add } = tasks();
    const published = await recorded();
    const { task, ...own } = add.s(9);
    // Another copy's class is not ours; what it has is the same.
    const copy = { ...own, task: 'add', freeze: () => copy, toJSON: () => add.s(9).toJSON() } as never;
    await add.applyAsync([1, 2], { link: copy });
    expect(messagesOf(published)[0]?.embed.callbacks).toMatchObject([{ task, args: [9] }]);
    app.schedule('copied', 60, copy);
    expect(app.schedules.get('copied')?.call).toMatchObject({ kind: 'signature' });
  });

  it('carry their stamps to each message, those of callbacks among them', async () => {
    const { add } = tasks();
    const published = await recorded();
    await chain(add.s(1, 2).link(add.s(9)), add.s(3))
      .stamp({ customer: 'c1' })
      .delay();
    await drain(app, patient);
    const messages = messagesOf(published);
    expect(messages[0]?.stamps).toEqual({ customer: 'c1' });
    expect(messages[0]?.stampedHeaders).toEqual(['customer']);
    expect(messages[0]?.embed.callbacks?.[0]?.options).toMatchObject({
      customer: 'c1',
      stamped_headers: ['customer'],
    });
    expect(messages[0]?.embed.chain?.[0]?.options).toMatchObject({ customer: 'c1' });
    expect(() => add.s(1, 2).stamp({ queue: 'x' })).toThrow(ConfigError);
    const visited = add.s(1, 2).stamp({ onSignature: ({ task }) => ({ of: task }) });
    expect(visited.toJSON().options).toMatchObject({ of: 'add', stamped_headers: ['of'] });
  });

  it('take along the queue that this application would send them to, for workers that would not know it', async () => {
    await using routed = new App('routed', {
      broker: `memory://${crypto.randomUUID()}`,
      taskDefaultQueue: 'ours',
      taskRoutes: { 'mail.*': 'mail' },
    });
    const one = routed.task('one', () => 1);
    const mail = routed.task('mail.send', (x: number) => x);
    const publish = vi.spyOn(await routed.broker(), 'publish');
    await chain(one.s(), mail.s(), one.si(), mail.si(1).set({ queue: 'own' })).delay();
    const [publication] = publish.mock.calls[0]?.[0] ?? [];
    const decoded = publication && decodeTask(publication.message);
    const queues = decoded?.ok ? decoded.value.embed.chain?.map(({ options }) => options.queue) : [];
    expect([publication?.queue, queues]).toEqual(['ours', ['own', 'ours', 'mail']]);
  });

  it('of names that mean priorities travel as the broker numbers them', async () => {
    await using named = new App('named', {
      broker: `memory://${crypto.randomUUID()}`,
      taskDefaultPriority: 'normal',
    });
    const one = named.task('one', () => 1);
    const two = named.task('two', (x: number) => x);
    const transport = await named.broker();
    const publish = vi.spyOn(transport, 'publish');
    await chain(one.s(), two.s().set({ priority: 'high' })).delay();
    const [publication] = publish.mock.calls[0]?.[0] ?? [];
    const decoded = publication && decodeTask(publication.message);
    expect(decoded?.ok && decoded.value.embed.chain?.[0]?.options.priority).toBe(3);
  });

  it('restore a group that was saved', async () => {
    const { add } = tasks();
    const result = await group([add.s(1, 2), add.s(3, 4)]).delay();
    await result.save();
    await drain(app, patient);
    expect(await (await app.restoreGroup<number[]>(result.id))?.get()).toEqual([3, 7]);
    expect(await app.restoreGroup('unknown')).toBeUndefined();
  });
});

const never = { task: '', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false };
