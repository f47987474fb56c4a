import { describe, expect, it } from 'vitest';
import { eventDetails, longestArguments } from '../../src/protocol/event-details.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { someMessage } from '../worker/some-message.ts';

function told(message: Partial<TaskMessage>, attempt: number | null = 1): unknown {
  return JSON.parse(eventDetails({ ...someMessage(), ...message }, 'slow', attempt));
}

describe('the details of an event', () => {
  it('tell what Celery does not: JSON arguments, queue, priority, attempt, group, chord, chain and stamps', () => {
    const chord = {
      task: 'total',
      args: [],
      kwargs: {},
      options: { task_id: 'the-body' },
      subtask_type: null,
      immutable: false,
    };
    const given = someMessage();
    expect(
      told(
        {
          args: [{ user: { id: 5 } }, 'Zoë'],
          kwargs: { dry: true },
          priority: 3,
          group: 'the-group',
          groupIndex: 0,
          embed: { ...given.embed, chord, chain: [chord, chord] },
          stampedHeaders: ['customer'],
          stamps: { customer: ['7'] },
        },
        2,
      ),
    ).toEqual({
      queue: 'slow',
      priority: 3,
      attempt: 2,
      args: [{ user: { id: 5 } }, 'Zoë'],
      kwargs: { dry: true },
      group_id: 'the-group',
      group_index: 0,
      chain_left: 2,
      chord_id: 'the-body',
      stamps: { customer: ['7'] },
    });
    expect(eventDetails({ ...given, args: ['Zoë'] }, 'q', null)).toBe(
      '{"queue":"q","priority":0,"args":["Zo\\u00eb"],"kwargs":{}}',
    );
  });

  it('have no secrets', () => {
    expect(
      told({ args: [{ password: 'p4ss', to: 'Ann' }], kwargs: { url: 'redis://:secret@host/0' } }),
    ).toMatchObject({
      args: [{ password: '********', to: 'Ann' }],
      kwargs: { url: 'redis://:**@host/0' },
    });
  });

  it('have typed values as kombu writes them, so that they can be read back', () => {
    expect(told({ args: [new Date('2026-11-22T03:12:00Z')] })).toMatchObject({
      args: [{ __type__: 'datetime', __value__: expect.stringContaining('2026-11-22T03:12:00') }],
    });
  });

  it.each([
    ['a long text', ['x'.repeat(longestArguments)]],
    ['many values', Array.from({ length: longestArguments }, () => 1)],
    ['a long text that is deep', [{ a: [{ b: ['x'.repeat(longestArguments)] }] }]],
    ['text that is longer as JSON', ['\u0001'.repeat(longestArguments / 4)]],
    ['an integer beyond 2^53', [12345678901234567890n]],
    ['NaN', [Number.NaN]],
  ])('leave out arguments that hold %s, and tell the rest', (_, args) => {
    expect(told({ args, kwargs: { a: 1 } })).toEqual({
      queue: 'slow',
      priority: 0,
      attempt: 1,
      kwargs: { a: 1 },
    });
  });

  it.each([['4111111111111111'], ['NaN'], [1.5e-7], [Number.MAX_SAFE_INTEGER]])('keep %s', (value) => {
    expect(told({ args: [value] })).toMatchObject({ args: [value] });
  });
});
