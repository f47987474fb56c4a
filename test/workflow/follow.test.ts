import { describe, expect, it } from 'vitest';
import type { ChordPart } from '../../src/protocol/chord-part.ts';
import type { TaskMessage, WireSignature } from '../../src/protocol/message.ts';
import { storedSignature } from '../../src/protocol/workflow-wire.ts';
import { chainOf, chordOf, groupOf, taskSignature, withOptions } from '../../src/workflow/construct.ts';
import {
  afterChord,
  type Ended,
  type Follow,
  type FollowRules,
  followOf,
  type MemberEnd,
} from '../../src/workflow/follow.ts';
import { someMessage } from '../worker/some-message.ts';

const rules: FollowRules = {
  load: async (id) => {
    throw new Error(`nothing is stored as ${id}`);
  },
  takesError: ({ task }) => task === 'takes.error',
  now: 1_800_000_000_000,
  inlineBytes: 16_384,
};
const error = { exc_type: 'ValueError', exc_message: ['no', 42], exc_module: 'builtins' };
const failed: Ended = { kind: 'failure', status: 'FAILURE', error, traceback: null };
const done = (value: unknown): Ended => ({ kind: 'success', value });

function message(embed: Partial<TaskMessage['embed']>, changes: Partial<TaskMessage> = {}): TaskMessage {
  const nothing = { callbacks: null, errbacks: null, chain: null, chord: null };
  return someMessage({ id: 'me', rootId: 'root', embed: { ...nothing, ...embed }, ...changes });
}

const step = (task: string, id: string | null = null): WireSignature =>
  taskSignature(task, [], {}, id === null ? {} : { task_id: id });

/** What is sent: task, arguments, id. */
function callsOf({ starts }: Follow): unknown[] {
  return starts.flatMap(({ plan }) => plan.calls.map(({ task, args, id }) => [task, args, id]));
}

describe('after a success', () => {
  it('each callback gets the value before its own arguments, unless it is immutable', async () => {
    const callbacks = [
      taskSignature('one', ['own'], {}, { task_id: '1' }),
      taskSignature('two', ['own'], {}, { task_id: '2' }, true),
    ];
    const follow = await followOf(message({ callbacks }), done('value'), rules);
    expect(callsOf(follow)).toEqual([
      ['one', ['value', 'own'], '1'],
      ['two', ['own'], '2'],
    ]);
    for (const { plan } of follow.starts)
      expect(plan.calls[0]).toMatchObject({ rootId: 'root', parentId: 'me' });
  });

  it('the last of the remaining steps is next, and carries the others', async () => {
    const chain = [step('third', '3'), step('second', '2')];
    const follow = await followOf(message({ chain }), done(7), rules);
    expect(callsOf(follow)).toEqual([['second', [7], '2']]);
    expect(follow.starts[0]?.plan.calls[0]?.embed.chain).toEqual([chain[0]]);
  });

  it('gives what has no id the same id each time, and another for each place', async () => {
    const callbacks = [step('a'), step('a')];
    const first = await followOf(message({ callbacks }), done(1), rules);
    const again = await followOf(message({ callbacks }), done(2), rules);
    const ids = (follow: Follow) => follow.starts.map(({ plan }) => plan.calls[0]?.id);
    expect(ids(again)).toEqual(ids(first));
    expect(new Set(ids(first)).size).toBe(2);
    const other = await followOf(message({ callbacks }, { id: 'another' }), done(1), rules);
    expect(ids(other)).not.toEqual(ids(first));
    expect(other.starts[0]?.from).not.toBe(first.starts[0]?.from);
  });

  it('a member of a chord is told to it with its place, and what the body says of failures', async () => {
    const chord = { ...step('body', 'b'), chord_size: 3, chord_policy: 'fail-fast' as const };
    const member = message({ chord }, { group: 'g', groupIndex: 2 });
    expect((await followOf(member, done(5), rules)).members).toMatchObject([
      {
        part: { taskId: 'me', status: 'SUCCESS', result: 5 },
        place: { groupId: 'g', index: 2, bodyId: 'b', last: false },
      },
    ]);
    const [end] = (await followOf(member, failed, rules)).members;
    expect(end).toMatchObject({ part: { status: 'FAILURE', result: error }, place: { last: true } });
    expect((await followOf(member, { kind: 'ignored' }, rules)).members).toMatchObject([
      { part: { status: 'FAILURE', result: { exc_type: 'Ignore' } } },
    ]);
  });
});

describe('what takes the place of a task', () => {
  const stamps = { customer: 'c-17', importId: 4 };
  const place = (
    signature: WireSignature,
    changes: Partial<TaskMessage> = { stamps, stampedHeaders: Object.keys(stamps) },
  ): Promise<Follow> => followOf(message({}, changes), { kind: 'replaced', signature }, rules);

  it('ends with its id, also where it was frozen; its other parts keep the ids that they were given', async () => {
    const single = step('end', 'frozen');
    const chained = chainOf([step('first', 'f'), single]);
    const together = groupOf([step('h', 'h0'), step('h', 'h1')], { task_id: 'hg' });
    for (const [signature, kept] of [
      [single, ['me']],
      [chained, ['f']],
      [chordOf(together, single), ['h0', 'h1']],
      [chordOf(together, chained), ['h0', 'h1']],
      [chainOf([together, single]), ['h0', 'h1']],
      [together, ['h0', 'h1']],
    ] as const) {
      const [start] = (await place(signature)).starts;
      expect(start?.plan.handle).toMatchObject({ kind: 'task', id: 'me' });
      expect(start?.plan.calls.map(({ id }) => id)).toEqual(kept);
      if (kept.length === 2) expect(start?.plan.chords).toMatchObject([{ groupId: 'hg', size: 2 }]);
    }
  });

  it('cannot be a group whose members Python has given their places', async () => {
    const member = withOptions(step('h', 'h0'), { group_id: 'hg' });
    await expect(place(groupOf([member], { task_id: 'hg' }))).rejects.toThrow('put it into a chord');
  });

  it('has its stamps in each of its parts, what follows them included; a stamp of their own goes before', async () => {
    const own = { ...step('h'), options: { stamped_headers: ['customer'], customer: 'own' } };
    const linked = withOptions(step('h'), { link: [step('callback')], link_error: [step('errback')] });
    const [start] = (await place(groupOf([own, linked]))).starts;
    const [first, second] = start?.plan.calls ?? [];
    expect(first?.options).toMatchObject({ customer: 'own', importId: 4 });
    const followers = [second?.embed.callbacks?.[0], second?.embed.errbacks?.[0], second?.embed.chord];
    for (const each of [second, ...followers])
      expect(each?.options).toMatchObject({ ...stamps, stamped_headers: ['customer', 'importId'] });
  });

  it('does not take a stamp for an option', async () => {
    const bad = { queue: 'elsewhere', task_id: 'other', fine: 1 };
    const [start] = (await place(step('end'), { stamps: bad, stampedHeaders: Object.keys(bad) })).starts;
    expect(start?.plan.calls).toMatchObject([{ id: 'me', options: { fine: 1, stamped_headers: ['fine'] } }]);
    expect(start?.plan.calls[0]?.options).not.toHaveProperty('queue');
  });
});

describe('after a failure', () => {
  it('errbacks are sent with the id of what failed, or called with the error where they take it', async () => {
    const errbacks = [step('by.id', '1'), step('takes.error', '2')];
    const follow = await followOf(message({ errbacks, callbacks: [step('never')] }), failed, rules);
    expect(callsOf(follow)).toEqual([['by.id', ['me'], '1']]);
    const args = [expect.objectContaining({ id: 'me', root_id: 'root' }), error, null];
    expect(follow.errbacks).toEqual([{ errback: errbacks[1], args, rootId: 'root', parentId: 'me' }]);
  });

  it('so has what Celery writes into an option of a part, of whatever kind that is', async () => {
    const outer = step('outer body', 'ob');
    const kinds = [step('x', 'x'), chainOf([step('x', 'w'), step('x', 'x')]), groupOf([step('x', 'x')])];
    for (const kind of kinds) {
      const first = withOptions(kind, {
        chain: [step('z', 'z'), step('y', 'y')],
        group_id: 'og',
        group_index: 1,
        chord: outer,
      });
      const follow = await followOf(message({ chain: [first] }), failed, rules);
      expect(follow.records.map(({ taskId }) => taskId).slice(-3)).toEqual(['x', 'y', 'z']);
      expect(follow.members).toMatchObject([
        { part: { taskId: 'z' }, place: { groupId: 'og' }, body: outer },
      ]);
    }
  });

  it('all that would have come later has failed likewise, with what it is a part of', async () => {
    const outer = step('outer body', 'ob');
    const chain = [
      withOptions(
        chordOf(
          groupOf([step('h', 'h0'), step('h', 'h1')], { task_id: 'hg' }),
          chainOf([step('x', 'b0'), step('y', 'b1')]),
        ),
        { group_id: 'og', group_index: 1, chord: outer },
      ),
      step('next', 'n'),
    ];
    const follow = await followOf(message({ chain }), failed, rules);
    expect(follow.starts).toEqual([]);
    expect(follow.records.map(({ taskId, status, result }) => [taskId, status, result])).toEqual(
      ['n', 'h0', 'h1', 'b0', 'b1'].map((id) => [id, 'FAILURE', error]),
    );
    expect(follow.members).toMatchObject([
      { part: { taskId: 'b1', status: 'FAILURE' }, place: { groupId: 'og', index: 1 }, body: outer },
    ]);
  });

  it('a revoked task has no error callbacks, but what comes later ends with it', async () => {
    const revoked: Ended = { ...failed, status: 'REVOKED' } as Ended;
    const follow = await followOf(
      message({ errbacks: [step('e')], chain: [step('n', 'n')] }),
      revoked,
      rules,
    );
    expect(follow.starts).toEqual([]);
    expect(follow.records).toMatchObject([{ taskId: 'n', status: 'REVOKED' }]);
  });
});

describe('when all members of a chord have ended', () => {
  const parts: ChordPart[] = [
    { taskId: 'a', status: 'SUCCESS', result: 1 },
    { taskId: 'b', status: 'FAILURE', result: error },
  ];
  const member = (body: WireSignature): MemberEnd => ({
    part: parts[0] as ChordPart,
    place: { groupId: 'g', index: 0, bodyId: 'body', last: false },
    body,
    rootId: 'root',
  });

  it('the body gets their results', async () => {
    const follow = await afterChord(member(step('body', 'body')), parts.slice(0, 1), rules);
    expect(callsOf(follow)).toEqual([['body', [[1]], 'body']]);
  });

  it('the body fails with ChordError in the words of Celery, and its error callbacks run once', async () => {
    const body = withOptions(step('body', 'body'), { link_error: [step('errback', 'e')] });
    const follow = await afterChord(member(body), parts, rules);
    expect(callsOf(follow)).toEqual([['errback', ['body'], 'e']]);
    expect(follow.records).toMatchObject([
      {
        taskId: 'body',
        status: 'FAILURE',
        result: { exc_type: 'ChordError', exc_message: ["Dependency b raised ValueError('no', 42)"] },
      },
    ]);
  });

  it('the failed body is a part of the chord around it', async () => {
    const outer = step('outer', 'o');
    const body = withOptions(step('body', 'body'), { group_id: 'og', group_index: 3, chord: outer });
    const { members } = await afterChord(member(body), parts, rules);
    expect(members).toMatchObject([
      { part: { taskId: 'body', status: 'FAILURE' }, place: { groupId: 'og', index: 3 } },
    ]);
  });

  it('all-settled gives each end as Promise.allSettled does', async () => {
    const body = { ...step('body', 'body'), chord_policy: 'all-settled' as const };
    const [call] = callsOf(await afterChord(member(body), parts, rules));
    expect(call).toEqual([
      'body',
      [
        [
          { status: 'fulfilled', value: 1 },
          { status: 'rejected', reason: { type: 'ValueError', message: "('no', 42)", taskId: 'b' } },
        ],
      ],
      'body',
    ]);
  });

  it('a body that is kept elsewhere is fetched', async () => {
    const load = async () => [step('kept', 'body')];
    const follow = await afterChord(member(storedSignature('s', { task_id: 'body' })), parts.slice(0, 1), {
      ...rules,
      load,
    });
    expect(callsOf(follow)).toEqual([['kept', [[1]], 'body']]);
  });
});
