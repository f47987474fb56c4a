// Workflows whose parts live in both languages, sent from either.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, chain, chord, group, type Signature, starmap } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { patience } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';
import type { PythonOutcome } from '../harness/python-client.ts';

/** Tasks of both languages, as TypeScript sends them. */
function tasksOf(app: App) {
  const numbers = (name: string) => app.remote<(x: number, y: number) => number>(name);
  const echo = (name: string) => app.remote<(value: unknown) => unknown>(name);
  const fail = (name: string) => app.remote<(kind: string) => number>(name);
  return {
    py: { add: numbers('py.add'), echo: echo('py.echo'), fail: fail('py.fail'), sleep: numbers('py.sleep') },
    ts: { add: numbers('ts.add'), echo: echo('ts.echo'), fail: fail('ts.fail') },
  };
}

/** A workflow in Python's own words; `s(name, *args)` is a signature. */
function inPython(pair: Pair, code: string): Promise<unknown> {
  const names =
    '(lambda celery: (lambda chain, group, chord, s: ' +
    `${code})(celery.chain, celery.group, celery.chord, lambda name, *args: app.signature(name, args)))(__import__("celery"))`;
  return pair.python.eval(names);
}

function failureOf(outcome: PythonOutcome): { readonly class: string; readonly text: string } {
  if (outcome.error === undefined) throw new Error(`it gave ${JSON.stringify(outcome)}`);
  return outcome.error;
}

export function workflowCases(pair: () => Pair): void {
  // What belongs to no task of either half: celery.accumulate and its like.
  let defaults: Worker;
  beforeAll(async () => {
    defaults = new Worker(pair().served, { queues: ['celery'], name: 'defaults@%h' });
    await defaults.start();
  });
  afterAll(() => defaults?.stop({ cold: true }));

  test('a chain of TypeScript goes to and fro', async () => {
    const { py, ts } = tasksOf(pair().app);
    const result = await chain(ts.add.s(1, 2), py.add.s(10), ts.add.s(100), py.add.s(1000)).delay();
    expect(await result.get(patience)).toBe(1113);
    expect(await result.parent?.parent?.get(patience)).toBe(13);
    const back = await chain(py.add.s(1, 2), ts.add.s(10), py.add.s(100)).delay();
    expect(await back.get(patience)).toBe(113);
  });

  test('a chain of Python goes to and fro, and Python finds the results of all steps', async () => {
    const code =
      'chain(s("py.add", 1, 2), s("ts.add", 10), s("py.add", 100), s("ts.add", 1000)).apply_async()';
    expect(
      await inPython(
        pair(),
        `(lambda r: [r.get(timeout=60), r.parent.get(timeout=60), r.parent.parent.get(timeout=60)])(${code})`,
      ),
    ).toEqual([1113, 113, 13]);
  });

  for (const body of ['py', 'ts'] as const) {
    test(`a chord of TypeScript with members in both languages and its body in ${body}`, async () => {
      const { py, ts, [body]: last } = tasksOf(pair().app);
      for (const members of [
        [py.add.s(1, 1), ts.add.s(2, 2), py.add.s(3, 3), ts.add.s(4, 4)],
        [ts.add.s(2, 2), chain(py.add.s(1, 1), ts.add.s(5))],
        [py.add.s(2, 2), chain(ts.add.s(1, 1), py.add.s(5))],
      ] as Signature<[], number>[][]) {
        const result = await chord(group(members), last.echo.s()).delay();
        expect(await result.get(patience)).toEqual(members.length === 4 ? [2, 4, 6, 8] : [4, 7]);
      }
    });

    test(`a chord of Python with members in both languages and its body in ${body}`, async () => {
      const members = 's("py.add", 1, 1), s("ts.add", 2, 2), s("py.add", 3, 3), s("ts.add", 4, 4)';
      expect(await inPython(pair(), `chord([${members}])(s("${body}.echo")).get(timeout=60)`)).toEqual([
        2, 4, 6, 8,
      ]);
      for (const [first, second] of [
        ['py', 'ts'],
        ['ts', 'py'],
      ]) {
        const chained = `s("${second}.add", 2, 2), chain(s("${first}.add", 1, 1), s("${second}.add", 5))`;
        expect(await inPython(pair(), `chord([${chained}])(s("${body}.echo")).get(timeout=60)`)).toEqual([
          4, 7,
        ]);
      }
    });

    test(`the last member decides in which language a chord is completed, and both do it alike (body in ${body})`, async () => {
      const { app } = pair();
      const { ts, [body]: last } = tasksOf(app);
      const sleep = app.remote<(seconds: number) => number>('py.sleep');
      const slowTs = app.remote<(seconds: number) => number>('ts.sleep');
      const pythonLast = await chord([sleep.s(0.5), ts.add.s(1, 1)], last.echo.s()).delay();
      expect(await pythonLast.get(patience)).toEqual([0.5, 2]);
      const typescriptLast = await chord([sleep.s(0), slowTs.s(0.5)], last.echo.s()).delay();
      expect(await typescriptLast.get(patience)).toEqual([0, 0.5]);
    });
  }

  test('a header of Python that is nested has the same form whoever completes it', async () => {
    const nested = (slow: string, quick: string): string =>
      `chord([group(s("${quick}.add", 1, 1), s("${slow}.sleep", 0.5)), s("${quick}.add", 3, 3)])(s("py.echo")).get(timeout=60)`;
    const byPython = await inPython(pair(), nested('py', 'ts'));
    const byTypeScript = await inPython(pair(), nested('ts', 'py'));
    expect(byTypeScript).toEqual(byPython);
    expect(byPython).toEqual([0.5, 2, 6]); // Celery 5.2 flattens it, in an order of its own
  });

  test('chords in chords, chords in chains, bodies that are chains, of Python', async () => {
    const inner = 'chord([s("ts.add", 1, 1), s("py.add", 2, 2)], s("ts.echo"))';
    expect(
      await inPython(pair(), `chord([${inner}, s("py.add", 5, 5)])(s("ts.echo")).get(timeout=60)`),
    ).toEqual([[2, 4], 10]);
    const chained = `chain(s("ts.add", 1, 1), group(s("py.add", 1), s("ts.add", 2)), s("ts.echo"), s("py.echo"))`;
    expect(await inPython(pair(), `${chained}.apply_async().get(timeout=60)`)).toEqual([3, 4]);
  });

  // Celery writes what follows a chord into an option of its body, which may be more than a task (its issue 5354).
  test.each([
    [
      'group | task | task | group',
      'group(ADD, ADD) | s("L.echo") | s("L.echo") | group(s("L.echo"), s("L.echo"))',
      [
        [2, 2],
        [2, 2],
      ],
    ],
    [
      'a chord with a chain as body, then a group',
      'chord([ADD, ADD], s("L.echo") | s("L.echo")) | group(s("L.echo"), s("L.echo"))',
      [
        [2, 2],
        [2, 2],
      ],
    ],
    [
      'a chord with a chord as body, then a group',
      'chord([ADD, ADD], chord([s("L.echo"), s("L.echo")], s("L.echo"))) | group(s("L.echo"), s("L.echo"))',
      [
        [
          [2, 2],
          [2, 2],
        ],
        [
          [2, 2],
          [2, 2],
        ],
      ],
    ],
    [
      'map, reduce, map, reduce',
      'group(ADD, ADD) | s("L.echo") | s("L.echo") | group(s("L.echo"), s("L.echo")) | s("L.echo")',
      [
        [2, 2],
        [2, 2],
      ],
    ],
  ])('what follows a chord whose body is more than a task runs: %s', async (_, canvas, value) => {
    for (const language of ['ts', 'py']) {
      const written = canvas.replaceAll('ADD', `s("${language}.add", 1, 1)`).replaceAll('L.', `${language}.`);
      expect(await inPython(pair(), `(${written}).apply_async().get(timeout=60)`)).toEqual(value);
    }
  });

  test("what Python's get() raises of a failed chord is the member's own error", async () => {
    const failed = 'chord([s("ts.fail", "type")], s("ts.echo")).apply_async().get(timeout=60)';
    for (let round = 0; round < 20; round++)
      await expect(inPython(pair(), failed)).rejects.toThrow(/^TypeError: deliberate/m);
  });

  test('links: what is linked in one language is called by the other', async () => {
    const { app } = pair();
    const { py, ts } = tasksOf(app);
    for (const [from, to] of [
      [py, ts],
      [ts, py],
    ] as const) {
      const id = crypto.randomUUID();
      await from.add
        .s(20, 22)
        .link(to.echo.s().set({ taskId: id }))
        .delay();
      expect(await app.result(id).get(patience)).toBe(42);
      const other = crypto.randomUUID();
      const [name, next] = from === py ? ['py', 'ts'] : ['ts', 'py'];
      await inPython(
        pair(),
        `s("${name}.add", 1, 2).apply_async(link=s("${next}.echo").set(task_id="${other}")).id`,
      );
      expect(await app.result(other).get(patience)).toBe(3);
    }
  });

  test('errbacks: what fails in one language is told to the other, once', async () => {
    const { app } = pair();
    const { py, ts } = tasksOf(app);
    for (const [from, to, kind] of [
      [py, ts, 'value'],
      [ts, py, 'type'],
    ] as const) {
      const id = crypto.randomUUID();
      const failed = await from.fail
        .s(kind)
        .linkError(to.echo.s().set({ taskId: id }))
        .delay();
      await expect(failed.get(patience)).rejects.toThrow('deliberate');
      expect(await app.result(id).get(patience)).toBe(failed.id);
    }
  });

  test('what fails ends the rest of a chain, and its errback hears of it, across languages', async () => {
    const { app } = pair();
    const { py, ts } = tasksOf(app);
    for (const [first, second] of [
      [py, ts],
      [ts, py],
    ] as const) {
      const id = crypto.randomUUID();
      const result = await chain(
        first.add.s(1, 2),
        second.fail.si(second === py ? 'value' : 'type'),
        first.add.s(3),
      )
        .linkError(first.echo.s().set({ taskId: id }))
        .delay();
      await expect(result.get(patience)).rejects.toThrow('deliberate');
      expect(await app.result(id).get(patience)).toBe(result.parent?.id);
    }
    const code =
      'chain(s("py.add", 1, 2), app.signature("ts.fail", ("type",), immutable=True), s("py.add", 3)).apply_async()';
    expect(
      await inPython(pair(), `(lambda r: [str(r.get(timeout=60, propagate=False)), r.state])(${code})`),
    ).toEqual(['deliberate', 'FAILURE']);
  });

  test('a chord with a failed member fails with ChordError in both languages, whoever sees it', async () => {
    const { app, python } = pair();
    const { py, ts } = tasksOf(app);
    const sleep = app.remote<(seconds: number) => number>('py.sleep');
    const slow = app.remote<(seconds: number) => number>('ts.sleep');
    for (const last of [sleep, slow]) {
      for (const failing of [py.fail.s('value'), ts.fail.s('type')]) {
        const id = crypto.randomUUID();
        const result = await chord([failing, last.s(0.4)], py.echo.s())
          .linkError(ts.echo.s().set({ taskId: id }))
          .delay();
        await expect(result.get(patience)).rejects.toMatchObject({
          name: 'ChordError',
          memberId: expect.any(String),
        });
        const failure = failureOf(await python.get(result.id));
        expect(failure.class).toBe('ChordError');
        expect(failure.text).toMatch(/^Dependency \S+ raised (?:Value|Type)Error\('deliberate'(?:, 42)?\)$/);
        expect(await app.result(id).get(patience)).toBe(result.id);
      }
    }
  });

  test('a chord of Python that nobody counts is completed here by celery.chord_unlock', async () => {
    const { app, python } = pair();
    const polled =
      'lambda self, header, body, **how: self.fallback_chord_unlock(app.GroupResult(*header), body, **how)';
    await python.eval(`setattr(type(app.backend), "counted", type(app.backend).apply_chord)`);
    await python.eval(`setattr(type(app.backend), "apply_chord", ${polled})`);
    const errback = crypto.randomUUID();
    const sent = (header: string, body = 's("ts.echo")'): Promise<unknown> =>
      inPython(pair(), `chord([${header}])(${body}, countdown=0.1, interval=0.1).id`);
    const fine = await sent('s("ts.add", 1, 1), s("py.sleep", 0.5), s("ts.add", 3, 3)');
    const broken = await sent(
      's("ts.fail", "type"), s("py.add", 1, 1)',
      `s("ts.echo").on_error(s("py.echo").set(task_id="${errback}"))`,
    );
    const nested = await sent('group(s("py.add", 1, 1), s("ts.add", 2, 2)), s("ts.add", 3, 3)');
    await python.eval('setattr(type(app.backend), "apply_chord", type(app.backend).counted)');
    expect(await app.result(String(fine)).get(patience)).toEqual([2, 0.5, 6]);
    await expect(app.result(String(broken)).get(patience)).rejects.toMatchObject({
      name: 'ChordError',
      message: expect.stringMatching(/Dependency \S+ raised TypeError\('deliberate'\)/),
    });
    expect(await app.result(errback).get(patience)).toBe(broken);
    expect(await app.result(String(nested)).get(patience)).toEqual(expect.arrayContaining([2, 4, 6])); // 5.2 flattens it
  });

  test('celery.map, starmap and chunks of Python run here', async () => {
    const canvas = '__import__("celery").canvas';
    const pairs = '[(1, 1), (2, 2), (3, 3)]';
    const get = '.set(queue="ts").apply_async().get(timeout=60)';
    expect(await inPython(pair(), `${canvas}.xstarmap(s("ts.add"), ${pairs}, app=app)${get}`)).toEqual([
      2, 4, 6,
    ]);
    expect(await inPython(pair(), `${canvas}.xmap(s("ts.echo"), [1, 2], app=app)${get}`)).toEqual([1, 2]);
    expect(
      await inPython(pair(), `${canvas}.chunks(s("ts.add"), iter(${pairs}), 2, app=app).group()${get}`),
    ).toEqual([[2, 4], [6]]);
    const { py } = tasksOf(pair().app);
    const here = starmap(py.add, [
      [1, 2],
      [3, 4],
    ]).set({ queue: 'py' });
    expect(await (await here.delay()).get(patience)).toEqual([3, 7]);
  });

  test('the rest of a workflow, its root and its parents are known in both languages', async () => {
    const { app } = pair();
    type Seen = { id: string; root_id: string; parent_id: string | null };
    const request = (name: string) => app.remote<(...given: unknown[]) => Seen>(name);
    const result = await chain(
      request('ts.request').s(),
      request('py.request').s(),
      request('ts.request').s(),
    ).delay();
    const third = (await result.get(patience)) as Seen;
    const second = (await result.parent?.get(patience)) as Seen;
    const first = (await result.parent?.parent?.get(patience)) as Seen;
    expect([first.parent_id, second.parent_id, third.parent_id]).toEqual([null, first.id, second.id]);
    expect([first.root_id, second.root_id, third.root_id]).toEqual([first.id, first.id, first.id]);
  });
}
