import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { App } from '../../src/app/app.ts';
import { currentTask } from '../../src/app/running/context.ts';
import { toRequest } from '../../src/app/running/request.ts';
import { type RunContext, runTask } from '../../src/app/running/run.ts';
import type { AnyTask } from '../../src/app/task.ts';
import { type CallOptions, noOptions } from '../../src/config/call-options.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../../src/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { WireMessage } from '../../src/protocol/message.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { toPublication } from '../../src/sending/address.ts';
import { prepareCall } from '../../src/sending/prepare.ts';
import { publishCalls as publishUntil } from '../../src/sending/publish.ts';
import type { Publication, Transport } from '../../src/stores/transport.ts';

let app: App;
beforeEach(() => {
  app = new App('test', { broker: 'memory://' });
});
afterEach(() => app.close());

/** The broker, with each publication written down. */
async function recorded(): Promise<Publication[][]> {
  const transport = await app.broker();
  const published: Publication[][] = [];
  const publish = transport.publish.bind(transport);
  vi.spyOn(transport, 'publish').mockImplementation((publications) => {
    published.push([...publications]);
    return publish(publications);
  });
  return published;
}

function context(task: AnyTask): RunContext {
  const { message } = prepareCall(app, task.name, [], {}, noOptions, task.options);
  const request = toRequest(message, { queue: 'celery', redelivered: false, hostname: 'w', isEager: false });
  return {
    request,
    signal: new AbortController().signal,
    logger: silentLogger,
    updateState: async () => {},
    log: () => {},
  };
}

describe('publishing', () => {
  it('hands the calls of one tick to the broker in that tick, so that it can write them together', async () => {
    const published = await recorded();
    const task = app.task('t', (x: number) => x);
    const sending = [task.delay(1), task.delay(2), app.send('t', [3])];
    expect(published).toHaveLength(3);
    await Promise.all(sending);
  });

  it('hands many calls over in one step', async () => {
    const published = await recorded();
    const task = app.task('t', (x: number) => x);
    await task.applyMany(Array.from({ length: 500 }, (_, index) => [index]));
    expect(published.map(({ length }) => length)).toEqual([500]);
  });

  it('carries the record that it was sent only with the first message of a task', async () => {
    const task = app.task('t', { serializer: 'yaml' }, () => 1);
    await app.broker();
    const { message } = prepareCall(app, 't', [], {}, noOptions, task.options);
    expect(toPublication(app, message, 'q')).toMatchObject({
      id: message.id,
      queue: 'q',
      write: expect.anything(),
      message: { contentType: 'application/x-yaml' },
    });
    expect(toPublication(app, { ...message, retries: 1 }, 'q')).not.toHaveProperty('write');
    expect(toPublication(app, { ...message, ignoreResult: true }, 'q')).not.toHaveProperty('write');
  });
});

/** `timeoutMs`: null = for ever. */
function publishWithin(
  transport: Transport,
  publications: readonly Publication[],
  { timeoutMs, ...options }: CallOptions & { readonly timeoutMs: number | null },
): Promise<void> {
  const untilMs = timeoutMs === null ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  return publishUntil(transport, publications, { untilMs, ...options });
}

const publishCalls = (
  transport: Transport,
  publications: readonly Publication[],
  options: CallOptions,
): Promise<void> =>
  publishWithin(transport, publications, {
    timeoutMs: options.publishTimeout === null ? null : 10_000,
    ...options,
  });

describe('a broker that is away', () => {
  function failing(times: number): { transport: Transport; tries: () => number } {
    let tries = 0;
    const publish = async (): Promise<void> => {
      if (++tries <= times) throw new BrokerUnavailable(`away (${tries})`);
    };
    return { transport: { publish } as Partial<Transport> as Transport, tries: () => tries }; // nothing else of it is used
  }
  const quick: CallOptions = { retryPolicy: { intervalStart: 0, intervalStep: '1ms', intervalMax: '2ms' } };

  it.each<[string, number, CallOptions, number, boolean]>([
    ['that comes back is tried again', 2, quick, 3, true],
    ['is tried three times again, no more', 9, quick, 4, false],
    [
      'is tried as often as the policy says',
      9,
      { retryPolicy: { ...quick.retryPolicy, maxRetries: 5 } },
      6,
      false,
    ],
    [
      'is tried for ever if the policy says so',
      40,
      { retryPolicy: { ...quick.retryPolicy, maxRetries: null } },
      41,
      true,
    ],
    ['is not tried again with retry: false', 1, { retry: false }, 1, false],
  ])('%s', async (_, times, options, tries, works) => {
    const broker = failing(times);
    const sending = publishCalls(broker.transport, [], options);
    if (works) await sending;
    else await expect(sending).rejects.toThrow(BrokerUnavailable);
    expect(broker.tries()).toBe(tries);
  });

  it('is given up when the signal is aborted', async () => {
    const broker = failing(Number.POSITIVE_INFINITY);
    const giveUp = new AbortController();
    const sending = publishCalls(broker.transport, [], {
      retryPolicy: { maxRetries: null, intervalStart: 60, intervalMax: 60 },
      publishTimeout: null,
      signal: giveUp.signal,
    });
    giveUp.abort(new Error('enough'));
    await expect(sending).rejects.toThrow('enough');
  });

  it('is not tried again for what is wrong with the message', async () => {
    let tries = 0;
    const publish = async (): Promise<void> => {
      tries++;
      throw new TypeError('wrong');
    };
    await expect(publishCalls({ publish } as Partial<Transport> as Transport, [], {})).rejects.toThrow(
      'wrong',
    ); // see above
    expect(tries).toBe(1);
  });
});

describe('the signals of a call', () => {
  it('come before and after it is sent, and may add headers', async () => {
    const published = await recorded();
    const heard: unknown[] = [];
    app.signals.beforeTaskPublish.connect(async ({ headers, message, queue }) => {
      await Promise.resolve();
      heard.push(['before', message.task, queue, published.length]);
      headers.trace = 'abc';
    });
    app.signals.afterTaskPublish.connect(({ message }) =>
      heard.push(['after', message.headers, published.length]),
    );
    const task = app.task('t', () => 1);
    await task.applyAsync([], { headers: { own: 1 } });
    await task.applyMany([[], []]);
    expect(heard.slice(0, 2)).toEqual([
      ['before', 't', 'celery', 0],
      ['after', { own: 1, trace: 'abc' }, 1],
    ]);
    expect(heard).toHaveLength(6);
    for (const { message } of published.flat()) {
      const decoded = decodeTask(message);
      expect(decoded.ok && decoded.value.headers.trace).toBe('abc');
    }
  });

  it('never stop it', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    app.signals.beforeTaskPublish.connect(() => {
      throw new Error('receiver');
    });
    app.signals.afterTaskPublish.connect(() => Promise.reject(new Error('receiver')));
    expect(await (await app.send('t')).exists()).toBe(true);
    expect(warned.mock.calls.map(([message]) => message)).toEqual([
      'a receiver of the signal beforeTaskPublish failed: Error: receiver',
      'a receiver of the signal afterTaskPublish failed: Error: receiver',
    ]);
    warned.mockRestore();
  });

  it('are heard until one disconnects, each connection by itself', async () => {
    let heard = 0;
    const receiver = (): unknown => heard++;
    const first = app.signals.afterTaskPublish.connect(receiver);
    const second = app.signals.afterTaskPublish.connect(receiver);
    await app.send('t');
    expect(heard).toBe(2);
    first();
    first();
    await app.send('t');
    expect(heard).toBe(3);
    second();
    expect(app.signals.afterTaskPublish.connected).toBe(false);
  });
});

describe('a task that sends', () => {
  it('is the parent of what it sends, and remembers it', async () => {
    const published = await recorded();
    const child = app.task('child', (x: number) => x);
    const parent = app.task('parent', async () => {
      await child.delay(1);
      await child.applyMany([[2], [3]]);
      await child.applyAsync([4], { addToParent: false });
      return currentTask()?.request.rootId;
    });
    const around = { ...context(parent) };
    await runTask(parent, around);
    const sent = published
      .flat()
      .map(({ message, id }) => ({ id, parent: message.headers.parent_id, root: message.headers.root_id }));
    expect(sent).toEqual(sent.map(({ id }) => ({ id, parent: around.request.id, root: around.request.id })));
    expect(around.request.children).toEqual(sent.slice(0, 3).map(({ id }) => [[id, null], null]));
  });

  it('does not remember it without a trail', async () => {
    const child = app.task('child', () => 1);
    const parent = app.task('parent', { trail: false }, () => child.delay().then(() => null));
    const around = context(parent);
    await runTask(parent, around);
    expect(around.request.children).toEqual([]);
  });
});

describe('a broker that does not answer', () => {
  const once: Publication = { id: 'a', queue: 'q', message: {} as WireMessage, eta: null, once: true }; // not looked at
  const doubt = (): SendUnconfirmed => new SendUnconfirmed(['a'], 'no answer');

  /** Answers as it is told to, one time after another; then it takes everything. */
  function broker(heeds: boolean, ...answers: readonly Error[]): { transport: Transport; asked: number[] } {
    const left = [...answers];
    const asked: number[] = [];
    const transport: Partial<Transport> = {
      features: { once: heeds } as Transport['features'],
      publish: async (_, options) => {
        asked.push(options?.timeoutMs ?? Number.POSITIVE_INFINITY);
        const answer = left.shift();
        if (answer) throw answer;
      },
    };
    return { transport: transport as Transport, asked }; // nothing else of it is used
  }
  const rules = { timeoutMs: 5000, retryPolicy: { intervalStep: '1ms' } } as const;

  it('is asked again where the same call twice is one call', async () => {
    const { transport, asked } = broker(true, doubt());
    await publishWithin(transport, [once], rules);
    expect(asked).toHaveLength(2);
  });

  it('is asked again where the record of the call says that it was sent', async () => {
    const write = { store: {}, apply: () => true };
    const { transport, asked } = broker(false, doubt());
    await publishWithin(transport, [{ ...once, write }], rules);
    expect(asked).toHaveLength(2);
  });

  it('is not asked again where that might send it twice', async () => {
    const { transport, asked } = broker(false, doubt());
    await expect(publishWithin(transport, [once], rules)).rejects.toThrow(SendUnconfirmed);
    expect(asked).toHaveLength(1);
  });

  it('leaves the doubt, whatever it says later', async () => {
    const refusals = Array.from({ length: 9 }, () => new BrokerUnavailable('away'));
    const { transport } = broker(true, doubt(), ...refusals);
    await expect(publishWithin(transport, [once], rules)).rejects.toThrow(SendUnconfirmed);
    const giveUp = new AbortController();
    const waiting = publishWithin(broker(true, doubt()).transport, [once], {
      timeoutMs: null,
      retryPolicy: { intervalStart: 60, intervalMax: 60 },
      signal: giveUp.signal,
    });
    giveUp.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow(SendUnconfirmed);
  });

  it('has the time that is left, and is not asked when there is none', async () => {
    const away = Array.from({ length: 9 }, () => new BrokerUnavailable('away'));
    const { transport, asked } = broker(true, ...away);
    const sending = publishWithin(transport, [once], {
      timeoutMs: 100,
      retryPolicy: { maxRetries: null, intervalStart: '30ms', intervalStep: 0, intervalMax: 1 },
    });
    await expect(sending).rejects.toThrow(BrokerUnavailable);
    expect(asked.length).toBeLessThanOrEqual(4);
    expect(asked).toEqual([...asked].sort((a, b) => b - a));
    expect(asked[0]).toBeLessThanOrEqual(100);
  });
});

describe('a result that comes as a message', () => {
  it('is asked to come to the caller, if it is wanted and the call does not say where to', async () => {
    const published = await recorded();
    const backend = await app.backend();
    if (backend === null) throw new Error('there is one');
    backend.replyTo = async () => 'my-replies';
    const task = app.task('t', (x: number) => x);
    await task.delay(1);
    await task.applyAsync([2], { ignoreResult: true });
    await task.applyAsync([3], { replyTo: 'other' });
    await task.applyMany([[4], [5]]);
    const replies = published.flat().map(({ message }) => message.properties.replyTo);
    expect(replies).toEqual(['my-replies', '', 'other', 'my-replies', 'my-replies']);
  });
});
