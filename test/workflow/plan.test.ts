import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TaskMessage, WireSignature } from '../../src/protocol/message.ts';
import { decodeSignature } from '../../src/protocol/signature-wire.ts';
import {
  chainOf,
  chordOf,
  chunksOf,
  groupOf,
  kindOf,
  partsOf,
  taskSignature,
  withOptions,
} from '../../src/workflow/construct.ts';
import { derivedIds } from '../../src/workflow/freeze.ts';
import { normalize } from '../../src/workflow/normal-form.ts';
import { plan, replacement } from '../../src/workflow/plan.ts';
import type { Plan, PlanContext } from '../../src/workflow/planned.ts';

const t = (task: string, ...args: unknown[]): WireSignature => taskSignature(task, args);

/** Ids that say where a part stands. */
const named: PlanContext = { newId: (place) => `<${place}>` };
const planned = (signature: WireSignature, context: Partial<PlanContext> = {}): Plan =>
  plan(signature, { ...named, ...context });

/** A workflow as short text. */
function show(signature: WireSignature): string {
  const { task, kwargs } = signature;
  switch (kindOf(signature)) {
    case 'chain':
      return `(${partsOf(signature).map(show).join(' | ')})`;
    case 'group':
      return `[${partsOf(signature).map(show).join(', ')}]`;
    case 'chord':
      return `${show(kwargs.header as WireSignature)} => ${show(kwargs.body as WireSignature)}`;
    default:
      return task.replace('celery.', '');
  }
}

describe('the normal form', () => {
  it.each<[string, WireSignature, string]>([
    [
      'a chain in a chain is flattened',
      chainOf([t('a'), chainOf([t('b'), t('c')]), t('d')]),
      '(a | b | c | d)',
    ],
    ['a chain of one step is that step', chainOf([chainOf([t('a')])]), 'a'],
    [
      'a group that is followed is a chord',
      chainOf([t('a'), groupOf([t('b'), t('c')]), t('d')]),
      '(a | [b, c] => d)',
    ],
    ['all that follows a group is its body', chainOf([groupOf([t('a')]), t('b'), t('c')]), '[a] => (b | c)'],
    ['a group after a group is its body', chainOf([groupOf([t('a')]), groupOf([t('b')])]), '[a] => [b]'],
    [
      'a group after a group, followed, is a chord in a body',
      chainOf([groupOf([t('a')]), groupOf([t('b')]), t('c')]),
      '[a] => [b] => c',
    ],
    [
      'what follows a chord is of its body',
      chainOf([chordOf(groupOf([t('a')]), t('b')), t('c')]),
      '[a] => (b | c)',
    ],
    ['a chain may end in a group', chainOf([t('a'), groupOf([t('b'), t('c')])]), '(a | [b, c])'],
    ['groups in groups stay', groupOf([groupOf([t('a'), t('b')]), t('c')]), '[[a, b], c]'],
    [
      'a group in a header is collected',
      chordOf(groupOf([groupOf([t('a'), t('b')]), t('c')]), t('d')),
      '[[a, b] => accumulate, c] => d',
    ],
    [
      'a chain in a header that ends in a group is collected',
      chordOf(groupOf([chainOf([t('a'), groupOf([t('b')])])]), t('c')),
      '[(a | [b] => accumulate)] => c',
    ],
    [
      'a chord in a header whose body is a group is collected',
      chordOf(groupOf([chordOf(groupOf([t('a')]), groupOf([t('b')]))]), t('c')),
      '[[a] => [b] => accumulate] => c',
    ],
    ['chunks are a group', chunksOf(t('a'), [[1], [2], [3]], 2), '[starmap, starmap]'],
    ['an empty group stays one', chainOf([groupOf([]), t('a')]), '[] => a'],
  ])('%s', (_, signature, normal) => {
    expect(show(normalize(signature))).toBe(normal);
    expect(show(normalize(normalize(signature)))).toBe(normal);
  });

  it('gives the options of a compound to its parts, whose own go before them', () => {
    const chain = chainOf([t('a'), withOptions(t('b'), { queue: 'own' }), t('c')], {
      queue: 'all',
      countdown: 5,
      task_id: 'the-end',
    });
    const normal = normalize(chain);
    expect(normal.options).toEqual({ task_id: 'the-end' });
    expect(partsOf(normal).map(({ options }) => options)).toEqual([
      { queue: 'all', countdown: 5 },
      { queue: 'own' },
      { queue: 'all' },
    ]);
  });

  it('refuses to link something to a group, which ends many times', () => {
    const linked = withOptions(groupOf([t('a')]), { link: [t('b')] });
    expect(() => normalize(linked)).toThrow(/use a chord/);
  });
});

describe('a plan', () => {
  it('of a task is one message', () => {
    const { calls, chords, stored, handle } = planned(
      withOptions(t('add', 1), { queue: 'slow', link: [t('b')] }),
      {
        args: [4],
        parentId: 'p',
      },
    );
    expect(calls).toEqual([
      {
        id: '<>',
        task: 'add',
        args: [4, 1],
        kwargs: {},
        options: { queue: 'slow' },
        embed: { callbacks: [t('b')], errbacks: null, chain: null, chord: null },
        groupId: null,
        groupIndex: null,
        rootId: '<>',
        parentId: 'p',
        replacedTaskNesting: 0,
      },
    ]);
    expect([chords, stored, handle]).toEqual([[], [], { kind: 'task', id: '<>', parent: null }]);
  });

  it('of a chain is its first step, with the others reversed', () => {
    const { calls, handle } = planned(chainOf([t('a', 1), t('b', 2), t('c')], { link_error: [t('e')] }));
    expect(calls).toHaveLength(1);
    expect(calls[0]?.embed.errbacks).toEqual([t('e')]);
    expect(calls[0]?.embed.chain?.map(({ task, options }) => [task, options])).toEqual([
      ['c', { task_id: '<chain.2>', link_error: [t('e')] }],
      ['b', { task_id: '<chain.1>', link_error: [t('e')] }],
    ]);
    expect(handle).toMatchObject({
      id: '<chain.2>',
      parent: { id: '<chain.1>', parent: { id: '<chain.0>' } },
    });
  });

  it('of a part with an option `chain` carries that along, whatever the part is, before what else follows', () => {
    const chain = [t('last'), t('next')];
    const following = (part: WireSignature): string | undefined => {
      const { calls } = planned(withOptions(part, { chain }), { chain: [t('later')] });
      const [{ embed }] = calls as [Plan['calls'][number]];
      return embed.chord === null
        ? embed.chain
            ?.map((step) => show(step))
            .reverse()
            .join(' | ')
        : show(embed.chord);
    };
    expect(following(chainOf([t('a'), t('b')]))).toBe('b | next | last | later');
    expect(following(groupOf([t('a'), t('b')]))).toBe('(next | last | later)');
    expect(following(chordOf(groupOf([t('a')]), t('b')))).toBe('(b | next | last | later)');
  });

  it('of a chord sends its members with the body, and says how many there are', () => {
    const { calls, chords, handle } = planned(chordOf(groupOf([t('a'), t('b')]), t('total')), { args: [7] });
    const known = { rootId: '<header.0>', members: ['<header.0>', '<header.1>'] };
    expect(chords).toMatchObject([{ groupId: '<header.group>', size: 2, ...known }]);
    expect(chords[0]?.body, 'what repairs it if the members are lost').toEqual(calls[0]?.embed.chord);
    expect(
      calls.map(({ task, args, groupId, groupIndex, embed }) => [
        task,
        args,
        groupId,
        groupIndex,
        embed.chord,
      ]),
    ).toEqual(
      [0, 1].map((index) => [
        'ab'[index],
        [7],
        '<header.group>',
        index,
        { ...t('total'), options: { task_id: '<body>', group_id: '<header.group>' }, chord_size: 2 },
      ]),
    );
    expect(new Set(calls.map(({ rootId }) => rootId)).size).toBe(1);
    expect(handle).toMatchObject({
      kind: 'task',
      id: '<body>',
      parent: { kind: 'group', id: '<header.group>' },
    });
  });

  it('of a chord with an empty header is its body, with an empty list', () => {
    const { calls, chords } = planned(chordOf(groupOf([]), t('total', 1)));
    expect(calls.map(({ task, args }) => [task, args])).toEqual([['total', [[], 1]]]);
    expect(chords).toEqual([]);
  });

  it('of a chain in a header tells the chord of its last step alone', () => {
    const { calls } = planned(chordOf(groupOf([chainOf([t('a'), t('b')]), t('c')]), t('d')));
    const [first, second] = calls;
    expect(first).toMatchObject({ task: 'a', groupId: null, embed: { chord: null } });
    expect(first?.embed.chain?.[0]?.options).toMatchObject({
      group_id: '<header.group>',
      group_index: 0,
      chord: { task: 'd', chord_size: 2 },
    });
    expect(second).toMatchObject({ task: 'c', groupIndex: 1, embed: { chord: { task: 'd' } } });
  });

  it('of a chord in a header gives the outer chord to the inner body', () => {
    const { calls, chords } = planned(chordOf(groupOf([chordOf(groupOf([t('a')]), t('b')), t('c')]), t('d')));
    expect(chords.map(({ size }) => size)).toEqual([2, 1]);
    expect(calls[0]?.embed.chord).toMatchObject({
      task: 'b',
      chord_size: 1,
      options: { group_id: '<header.group>', group_index: 0, chord: { task: 'd', chord_size: 2 } },
    });
  });

  it('continues in a worker with the ids that the sender gave', () => {
    const whole = chainOf([t('a'), groupOf([t('b'), t('c')]), t('d'), t('e')]);
    const { calls, handle } = planned(whole);
    const rest = calls[0]?.embed.chain ?? [];
    const next = plan(rest.at(-1) as WireSignature, {
      args: [1],
      chain: rest.slice(0, -1),
      newId: () => 'never',
    });
    expect(next.calls.map(({ task, args, id }) => [task, args, id])).toEqual([
      ['b', [1], '<chain.1.header.0>'],
      ['c', [1], '<chain.1.header.1>'],
    ]);
    expect(next.handle.id).toBe(handle.id);
    const body = next.calls[0]?.embed.chord as WireSignature;
    const last = plan(body, { args: [[2, 3]], newId: () => 'never' });
    expect(last.calls).toMatchObject([{ task: 'd', args: [[2, 3]], embed: { chain: [{ task: 'e' }] } }]);
    expect(last.calls[0]?.embed.chain?.[0]?.options.task_id).toBe(handle.id);
  });

  it('is the same when it is made twice with derived ids', () => {
    const context = (): PlanContext => ({ newId: derivedIds('parent', 'link.0') });
    const workflow = chordOf(groupOf([chainOf([t('a'), t('b')]), groupOf([t('c')])]), t('d'));
    expect(plan(workflow, context())).toEqual(plan(workflow, context()));
    const ids = plan(workflow, context()).calls.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('puts a group that replaces a task in its place: one id, the rest of the chain, its callbacks and its chord', () => {
    const message = {
      id: 'me',
      rootId: 'root',
      parentId: null,
      group: 'G',
      groupIndex: 3,
      replacedTaskNesting: 0,
      embed: { callbacks: [t('then')], errbacks: [t('oh')], chain: null, chord: t('body') },
    } as unknown as TaskMessage;
    const { calls, handle } = plan(groupOf([t('a'), t('b')]), replacement(message));
    expect(handle.id).toBe('me');
    const body = calls[0]?.embed.chord;
    expect(body).toMatchObject({
      task: 'celery.accumulate',
      options: {
        task_id: 'me',
        group_id: 'G',
        group_index: 3,
        chord: t('body'),
        link: [t('then')],
        link_error: [t('oh')],
      },
    });
    expect(calls.map(({ rootId, replacedTaskNesting }) => [rootId, replacedTaskNesting])).toEqual([
      ['root', 1],
      ['root', 1],
    ]);
  });

  it.each([
    'signatures.json',
    'celery-5.6/signatures.json',
  ])('is made of all that Python writes: %s', (file) => {
    const { signatures } = JSON.parse(readFileSync(`test/fixtures/python/${file}`, 'utf8'));
    for (const [name, text] of Object.entries<string>(signatures)) {
      const decoded = decodeSignature(JSON.parse(text));
      if (!decoded.ok) throw new Error(name);
      expect(planned(decoded.value).calls.length, name).toBeGreaterThan(0);
    }
  });
});
