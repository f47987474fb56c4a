// The routes of chords that wait for members, and of their repair.
import { Hono } from 'hono';
import { z } from 'zod';
import type { ChordStatus } from '../../../app/chords.ts';
import { ConfigError } from '../../../errors.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { needs } from '../roles.ts';
import { actionReason, checked, plainName } from './checked.ts';

/** A chord, the members first that have not succeeded. */
export interface ChordView extends ChordStatus {
  /** Not all members are in `members`. */
  readonly more: boolean;
}

interface ChordPage {
  /** Null: no such chord is known: it never was, or has ended more than an hour ago, or has expired. */
  readonly chord: ChordView | null;
  /** Why chords cannot be looked at here; null: they can. */
  readonly problem: string | null;
}

const maxMembers = 100;

const member = plainName(512);
const retry = z.object({
  member,
  args: z.array(z.unknown()).optional(),
  queue: plainName(255).optional(),
});
const gift = z.object({ member, value: z.unknown() });
const firing = z.object({ value: z.unknown().optional() });

/** Operators repair chords. `:id` is the id of the header, the group; with a history, of the body or of a member. */
export function chordRoutes(context: DashboardContext) {
  const { chords } = context.app;
  const repairer = needs('chords', context);
  const reason = checked('query', actionReason);
  return new Hono<DashboardEnv>()
    .get('/:id', async (c) => {
      try {
        const found = await chords.get(c.req.param('id'));
        return c.json<ChordPage>({ chord: found === undefined ? null : viewOf(found), problem: null });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return c.json<ChordPage>({ chord: null, problem: error.message });
      }
    })
    .post('/:id/retry', repairer, reason, checked('json', retry), async (c) => {
      const id = c.req.param('id');
      const { member: of, args, queue } = c.req.valid('json');
      await c.var.audit('chord.retry', `${id} ${of}`, c.req.valid('query').reason);
      const changes = { ...(args && { args }), ...(queue !== undefined && { queue }) };
      return c.json(viewOf(await chords.retry(id, of, changes)));
    })
    .post('/:id/give', repairer, reason, checked('json', gift), async (c) => {
      const id = c.req.param('id');
      const { member: of, value } = c.req.valid('json');
      await c.var.audit('chord.give', `${id} ${of}`, c.req.valid('query').reason);
      return c.json(viewOf(await chords.give(id, of, value)));
    })
    .post('/:id/fire', repairer, reason, checked('json', firing), async (c) => {
      const id = c.req.param('id');
      const given = c.req.valid('json');
      await c.var.audit('chord.fire', id, c.req.valid('query').reason);
      return c.json(viewOf(await chords.fire(id, 'value' in given ? { value: given.value } : {})));
    })
    .post('/:id/cancel', repairer, reason, async (c) => {
      const id = c.req.param('id');
      await c.var.audit('chord.cancel', id, c.req.valid('query').reason);
      return c.json(viewOf(await chords.cancel(id)));
    });
}

function viewOf(chord: ChordStatus): ChordView {
  const isGood = (each: ChordStatus['members'][number]): boolean => each.counted && each.state === 'SUCCESS';
  const { members } = chord;
  const sorted = [...members.filter((each) => !isGood(each)), ...members.filter(isGood)];
  return { ...chord, members: sorted.slice(0, maxMembers), more: sorted.length > maxMembers };
}
