// Dead letters: the list, the details, replay and discard.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { answer, api, useLoaded } from '../api.ts';
import { bytes, count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { link, navigate, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { confirm } from '../ui/confirm.tsx';
import { CopyButton } from '../ui/copy.tsx';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { useSideScroll } from '../ui/side-scroll.ts';
import { Time } from '../ui/time.tsx';
import { Value } from '../ui/value.tsx';

const reasons = ['undecodable', 'unknown-task', 'max-deliveries', 'rejected', 'failed'] as const;

export function DeadLettersPage(): JSX.Element {
  const parameter = search.value.get('reason');
  const reason = reasons.find((each) => each === parameter) ?? null;
  const before = search.value.get('before');
  const { value, fault, reload, outdated } = useLoaded(`dead ${reason} ${before}`, () =>
    answer(
      api.dead.$get({
        query: { ...(reason !== null && { reason }), ...(before !== null && { before: Number(before) }) },
      }),
    ),
  );
  useRefresh(reload, 3_000, 10_000);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const filters = useSideScroll(reason);
  const letters = value?.letters ?? [];
  const chosen = letters.filter(({ id }) => selected.has(id)).map(({ id }) => id);
  const done = async (): Promise<void> => {
    setSelected(new Set());
    await reload();
  };
  const next = value?.next ?? null;
  return (
    <>
      <PageHead
        title="Dead letters"
        sub={value === null ? undefined : `${plural(value.total, 'message')} that could not be run`}
      />
      <div ref={filters} class="filters">
        {[null, ...reasons].map((each) => (
          <button
            key={each ?? 'all'}
            type="button"
            class="filter"
            aria-pressed={reason === each}
            onClick={() => setSearch({ reason: each, before: null }, false)}
          >
            {each ?? 'All'}
          </button>
        ))}
      </div>
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {value === null && fault === null && <Loading />}
      {value !== null && letters.length === 0 && (
        <Empty
          kind={reason === null ? 'good' : 'no-match'}
          title={reason === null ? 'No dead letters' : `None is there as ${reason}`}
        >
          {reason === null && 'Every message could be read and run.'}
        </Empty>
      )}
      {chosen.length > 0 && (
        <div class="selection" role="toolbar" aria-label="Selected dead letters">
          <b>{plural(chosen.length, 'dead letter')} selected</b>
          <Act needs="retry">
            <button type="button" class="button" onClick={() => askToReplay(chosen, done)}>
              Replay…
            </button>
          </Act>
          <Act needs="discard">
            <button type="button" class="button button-danger" onClick={() => askToDiscard(chosen, done)}>
              Discard…
            </button>
          </Act>
        </div>
      )}
      {letters.length > 0 && (
        <>
          <div class={`table-box${outdated ? ' outdated' : ''}`}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col" class="check-cell">
                    <input
                      type="checkbox"
                      aria-label="Select all on this page"
                      checked={letters.every(({ id }) => selected.has(id))}
                      onChange={({ currentTarget }) =>
                        setSelected(currentTarget.checked ? new Set(letters.map(({ id }) => id)) : new Set())
                      }
                    />
                  </th>
                  <th scope="col">Message</th>
                  <th scope="col">Reason</th>
                  <th scope="col" class="hide-m">
                    Queue
                  </th>
                  <th scope="col" class="right hide-s">
                    Size
                  </th>
                  <th scope="col" class="right">
                    Died
                  </th>
                </tr>
              </thead>
              <tbody>
                {letters.map((letter) => (
                  <tr key={letter.id} class={selected.has(letter.id) ? 'selected' : ''}>
                    <td class="check-cell">
                      <input
                        type="checkbox"
                        aria-label={`Select dead letter ${letter.id}`}
                        checked={selected.has(letter.id)}
                        onChange={() => {
                          const all = new Set(selected);
                          if (!all.delete(letter.id)) all.add(letter.id);
                          setSelected(all);
                        }}
                      />
                    </td>
                    <td class="wide-cell">
                      <a class="strong" href={link(`/dead/${letter.id}`)}>
                        {letter.task ?? 'no task'}
                      </a>
                      <span class="second">{letter.detail}</span>
                    </td>
                    <td>
                      <span class="badge tone-red">{letter.reason}</span>
                    </td>
                    <td class="hide-m">
                      <span class="chip">{letter.queue}</span>
                    </td>
                    <td class="right num hide-s">{bytes(letter.bytes)}</td>
                    <td class="right">
                      <Time at={letter.diedAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <nav class="pager" aria-label="Pages of the list">
            <span class="dim">{count(letters.length)} on this page</span>
            <span class="pager-buttons">
              {before !== null && (
                <button type="button" class="button" onClick={() => setSearch({ before: null }, false)}>
                  First page
                </button>
              )}
              <button
                type="button"
                class="button"
                disabled={next === null}
                onClick={() => setSearch({ before: String(next) }, false)}
              >
                Next page
              </button>
            </span>
          </nav>
        </>
      )}
    </>
  );
}

export function DeadLetterPage({ id }: { id: string }): JSX.Element {
  const { value, fault, reload } = useLoaded(`dead letter ${id}`, () =>
    answer(api.dead[':id{[0-9]+}'].$get({ param: { id } })),
  );
  if (value === null) return fault === null ? <Loading /> : <FaultNote isPage fault={fault} retry={reload} />;
  const { letter, content, isText, isCut, origin, retries } = value;
  const ids = [letter.id];
  const back = async (): Promise<void> => navigate(link('/dead'));
  return (
    <>
      <PageHead title={letter.task ?? 'A message that is no task'} sub={`dead letter ${letter.id}`}>
        <Act needs="retry">
          <button type="button" class="button" onClick={() => askToReplay(ids, back)}>
            Replay…
          </button>
        </Act>
        <Act needs="discard">
          <button type="button" class="button button-danger" onClick={() => askToDiscard(ids, back)}>
            Discard…
          </button>
        </Act>
      </PageHead>
      <div class="exception tone-red">
        <span class="badge tone-red">{letter.reason}</span>
        <span>{letter.detail}</span>
      </div>
      <div class="columns columns-task">
        <div class="stack">
          {letter.args !== null && (
            <Panel title="Arguments">
              <Value what="the arguments" text={letter.args} />
            </Panel>
          )}
          {letter.kwargs !== null && (
            <Panel title="Keyword arguments">
              <Value what="the keyword arguments" text={letter.kwargs} />
            </Panel>
          )}
          <Panel
            title={isText ? 'Original bytes' : 'Original bytes, in hexadecimal'}
            aside={<CopyButton text={content} what="the bytes" />}
          >
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard */}
            <pre class="code" tabIndex={0}>
              {content}
              {isCut && '…'}
            </pre>
            <p class="dim">
              All of them, byte for byte: <code>umbel dead show {letter.id} --raw</code>
            </p>
          </Panel>
        </div>
        <Panel title="About">
          <Facts
            facts={[
              ['Queue', letter.queue],
              ['Died', <Time key="time" at={letter.diedAt} />],
              ['Size', bytes(letter.bytes)],
              ['Crashes', String(letter.crashes)],
              ['Retries', retries === null ? '–' : String(retries)],
              ['Sent by', origin ?? '–'],
              [
                'Task',
                letter.taskId === null ? (
                  '–'
                ) : (
                  <a key="task" href={taskLink(letter.taskId)}>
                    {letter.taskId}
                  </a>
                ),
              ],
            ]}
          />
        </Panel>
      </div>
    </>
  );
}

function askToReplay(ids: readonly number[], done: () => Promise<void>): void {
  confirm({
    title: `Replay ${plural(ids.length, 'dead letter')}`,
    verb: 'Replay',
    effect: (
      <p>
        {ids.length === 1 ? 'It goes' : 'They go'} back into {ids.length === 1 ? 'its queue' : 'their queues'}{' '}
        as if new: retries and deliveries are counted from 0. What made {ids.length === 1 ? 'it' : 'them'} die
        should be mended before.
      </p>
    ),
    act: async (why) => {
      const changed = await answer(api.dead.replay.$post({ query: why, json: { ids: [...ids] } }));
      await done();
      return `${plural(changed.done, 'message')} back in the queue${changed.missing > 0 ? `, ${changed.missing} gone before` : ''}.`;
    },
  });
}

function askToDiscard(ids: readonly number[], done: () => Promise<void>): void {
  confirm({
    title: `Discard ${plural(ids.length, 'dead letter')}`,
    verb: 'Discard',
    danger: true,
    effect: (
      <p>
        Deletes {plural(ids.length, 'message')} for good. {ids.length === 1 ? 'It' : 'They'} cannot be
        replayed any more.
      </p>
    ),
    act: async (why) => {
      const changed = await answer(api.dead.discard.$post({ query: why, json: { ids: [...ids] } }));
      await done();
      return `${plural(changed.done, 'message')} deleted${changed.missing > 0 ? `, ${changed.missing} gone before` : ''}.`;
    },
  });
}
