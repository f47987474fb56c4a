// A chord that waits for members: its counter, the members that are missing and why, and its repair.
import type { JSX } from 'preact';
import type { ChordView } from '../../server/pages/chord-routes.ts';
import { answer, api, Fault, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { confirm } from '../ui/confirm.tsx';
import { boxOf, JsonBox, readBox } from '../ui/json-box.tsx';
import { Warning } from '../ui/notice.tsx';
import { Panel } from '../ui/page-head.tsx';
import { State } from '../ui/state.tsx';

type Member = ChordView['members'][number];

/** Shows nothing for a chord that has ended or is not known. `id`: of its header, the group. */
export function ChordPanel({ id, onDone }: { id: string; onDone: () => Promise<void> }): JSX.Element | null {
  const { value, reload } = useLoaded(`chord ${id}`, () => answer(api.chords[':id'].$get({ param: { id } })));
  useRefresh(reload, 5_000, 15_000);
  const chord = value?.chord as ChordView | null | undefined; // the route's type; hono's JSON type is not deep enough
  if (chord === null || chord === undefined || chord.state === 'done') return null;
  const done = async (): Promise<void> => {
    await reload();
    await onDone();
  };
  const missing = chord.members.filter((member) => !isGood(member));
  return (
    <Panel
      title={`A chord waits: ${counterOf(chord)}`}
      aside={
        <Act needs="chords">
          <span class="page-actions">
            <button type="button" class="button button-small" onClick={() => askToFire(chord, done)}>
              Send its body now…
            </button>
            <button
              type="button"
              class="button button-small button-danger"
              onClick={() => askToCancel(chord, done)}
            >
              Cancel the chord…
            </button>
          </span>
        </Act>
      }
      flush
    >
      {chord.state === 'complete' && (
        <Warning>
          <b>All members have ended.</b> Whoever completed it sends its body. If that program is dead, send it
          here.
        </Warning>
      )}
      <p class="pad dim">
        Its body is {chord.bodyTask === null ? 'not known by name' : <b>{chord.bodyTask}</b>}
        {chord.bodyId !== null && (
          <>
            {' '}
            <code>{chord.bodyId}</code>
          </>
        )}
        {chord.unknown > 0 && `; ${plural(chord.unknown, 'missing member')} not known by id`}
        {chord.more && `; the first ${count(chord.members.length)} members are looked at here`}.
      </p>
      {missing.length > 0 && (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Missing member</th>
              <th scope="col">State</th>
              <th scope="col" class="right">
                <span class="off-screen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {missing.map((member) => (
              <tr key={member.id}>
                <td class="wide-cell">
                  <a class="strong" href={taskLink(member.id)}>
                    {member.task ?? member.id}
                  </a>
                  {member.index !== null && <span class="dim"> place {member.index + 1}</span>}
                  <span class="second">{member.counted ? 'its end is counted' : member.reason}</span>
                </td>
                <td>
                  <State state={member.state} />
                </td>
                <td class="right">
                  <Act needs="chords">
                    <button
                      type="button"
                      class="button button-small"
                      aria-label={`Run again: ${member.task ?? member.id}`}
                      onClick={() => askToRetry(chord, member, done)}
                    >
                      Run again…
                    </button>{' '}
                    <button
                      type="button"
                      class="button button-small"
                      aria-label={`Give a value: ${member.task ?? member.id}`}
                      onClick={() => askToGive(chord, member, done)}
                    >
                      Give a value…
                    </button>
                  </Act>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function isGood({ counted, state }: Member): boolean {
  return counted && state === 'SUCCESS';
}

function counterOf({ counted, total }: Pick<ChordView, 'counted' | 'total'>): string {
  if (total === null) return `${plural(counted, 'member')} ended, and not all are sent`;
  return `${count(counted)} of ${plural(total, 'member')} ended`;
}

/** What an action did. */
function outcomeOf({ state, counted, total }: Pick<ChordView, 'state' | 'counted' | 'total'>): string {
  return state === 'done' ? 'The chord has ended.' : `${counterOf({ counted, total })}.`;
}

function bodyOf({ bodyTask }: ChordView): JSX.Element {
  return bodyTask === null ? <>its body</> : <b>{bodyTask}</b>;
}

function leftOf({ total, counted }: ChordView): string {
  return total === null ? 'the members' : plural(total - counted, 'member');
}

function askToRetry(chord: ChordView, member: Member, done: () => Promise<void>): void {
  const args = boxOf(null);
  confirm({
    title: `Run ${member.task ?? 'a member'} again`,
    verb: 'Run again',
    effect: (
      <>
        <p>
          Sends the member <code>{member.id}</code> again, with its own id, so that its end counts. If it has
          succeeded and was not counted, that is done. If an earlier run of it still goes on, the first end
          counts.
        </p>
        <JsonBox label="Other arguments (a JSON list; empty: as before)" box={args} />
      </>
    ),
    act: async (why) => {
      const given = readBox(args);
      if (given !== undefined && !Array.isArray(given)) throw new Fault(0, 'The arguments are no JSON list.');
      const json = { member: member.id, ...(given !== undefined && { args: given }) };
      const after = await answer(
        api.chords[':id'].retry.$post({ param: { id: chord.id }, query: why, json }),
      );
      await done();
      return outcomeOf(after);
    },
  });
}

function askToGive(chord: ChordView, member: Member, done: () => Promise<void>): void {
  const value = boxOf(null);
  confirm({
    title: `Give a value for ${member.task ?? 'a member'}`,
    verb: 'Give it',
    effect: (
      <>
        <p>
          Ends the member <code>{member.id}</code> as SUCCESS with this value, as if it had returned it.
          {chord.total !== null && chord.total - chord.counted === 1 && !member.counted && (
            <> It is the last: {bodyOf(chord)} is sent.</>
          )}
        </p>
        <JsonBox label={'The value (JSON: 5, "text", null …)'} box={value} />
      </>
    ),
    act: async (why) => {
      const given = readBox(value);
      if (given === undefined) throw new Fault(0, 'No value was given; null is one.');
      const json = { member: member.id, value: given };
      const after = await answer(api.chords[':id'].give.$post({ param: { id: chord.id }, query: why, json }));
      await done();
      return outcomeOf(after);
    },
  });
}

function askToFire(chord: ChordView, done: () => Promise<void>): void {
  const value = boxOf(null);
  confirm({
    title: 'Send the body now',
    verb: 'Send',
    danger: true,
    effect: (
      <>
        <p>
          Sends {bodyOf(chord)} without waiting for {leftOf(chord)}. Members that have not succeeded are left
          out of the list that it gets, or have this value in their places. What they still do does not count
          any more.
        </p>
        <JsonBox label="A value in their places (JSON; empty: they are left out)" box={value} />
      </>
    ),
    act: async (why) => {
      const given = readBox(value);
      const json = given === undefined ? {} : { value: given };
      const after = await answer(api.chords[':id'].fire.$post({ param: { id: chord.id }, query: why, json }));
      await done();
      return outcomeOf(after);
    },
  });
}

function askToCancel(chord: ChordView, done: () => Promise<void>): void {
  confirm({
    title: 'Cancel the chord',
    verb: 'Cancel the chord',
    danger: true,
    effect: (
      <p>
        Revokes {leftOf(chord)} that{' '}
        {chord.total !== null && chord.total - chord.counted === 1 ? 'has' : 'have'} not ended.{' '}
        {bodyOf(chord)} does not run: it ends as FAILURE, and its error callbacks run.
      </p>
    ),
    act: async (why) => {
      const after = await answer(api.chords[':id'].cancel.$post({ param: { id: chord.id }, query: why }));
      await done();
      return outcomeOf(after);
    },
  });
}
