// The list of tasks: a query, live updates, and rows that do not move under the pointer.
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TaskLine } from '../../server/pages/tasks.ts';
import { answer, api, may, useLoaded } from '../api.ts';
import { count, plural, shortCount } from '../format.ts';
import { useKeys } from '../keys.ts';
import { paused, useDeltas, useRefresh } from '../live.ts';
import { savedViews } from '../preferences.ts';
import { splitState, term, withState } from '../query.ts';
import { link, navigate, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icon.tsx';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { useSideScroll } from '../ui/side-scroll.ts';
import { lookOf, stateOrder } from '../ui/state.tsx';
import { askToPlan } from './job.tsx';
import { askToRunAgain } from './run-again.tsx';
import { askToSend } from './send-task.tsx';
import { TaskCells } from './task-row.tsx';

const pageSize = 50;

const columns = [
  { field: 'name', word: 'Task', place: '' },
  { field: 'state', word: 'State', place: '' },
  { field: 'queue', word: 'Queue', place: 'hide-m' },
  { field: 'worker', word: 'Worker', place: 'hide-m' },
  { field: 'wait', word: 'Wait', place: 'right hide-s' },
  { field: 'runtime', word: 'Runtime', place: 'right hide-s' },
  { field: 'seen', word: 'When', place: 'right' },
] as const;

export function TasksPage(): JSX.Element {
  const query = search.value.get('q') ?? '';
  const sort = search.value.get('sort') ?? '-seen';
  const after = search.value.get('after');
  const { state, rest: withoutState } = splitState(query);
  const list = useLoaded(`tasks ${query} ${sort} ${after}`, () =>
    answer(
      api.tasks.$get({
        query: { query, sort, limit: String(pageSize), ...(after !== null && { after }) },
      }),
    ),
  );
  const counts = useLoaded(`counts ${withoutState}`, () =>
    answer(api.tasks.counts.$get({ query: { query: withoutState } })),
  );
  const { rows, fresh, show, hold } = useSteadyRows(`${query} ${sort} ${after}`, list.value?.tasks ?? null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [cursor, setCursor] = useState(-1);
  const lastSelected = useRef(-1);
  const filters = useSideScroll(counts.value === null ? null : state); // the numbers make it longer
  const next = list.value?.next ?? null;
  useRefresh(list.reload);
  useRefresh(counts.reload, 3_000);
  hold(selected.size > 0 || after !== null);

  const toggle = (index: number, range: boolean): void => {
    const task = rows?.[index];
    if (task === undefined || rows === null) return;
    const chosen = new Set(selected);
    if (range && lastSelected.current >= 0) {
      const [from, to] = [Math.min(index, lastSelected.current), Math.max(index, lastSelected.current)];
      for (const each of rows.slice(from, to + 1)) chosen.add(each.id);
    } else if (!chosen.delete(task.id)) chosen.add(task.id);
    lastSelected.current = index;
    setSelected(chosen);
  };
  const move = (by: number): void => {
    const to = Math.max(0, Math.min((rows?.length ?? 0) - 1, cursor + by));
    setCursor(to);
    document.querySelector(`[data-row="${to}"]`)?.scrollIntoView({ block: 'nearest' });
  };
  const clear = (): void => setSelected(new Set());
  const revoke = (): void => {
    const chosen = rows?.filter(({ id }) => selected.has(id)) ?? [];
    if (chosen.length > 0 && may('revoke')) askToRevoke(chosen, clear);
  };
  const runAgain = (): void => {
    const chosen = rows?.filter(({ id, endedAt }) => selected.has(id) && endedAt !== null) ?? [];
    if (may('retry')) void askToRunAgain(chosen, selected.size - chosen.length, clear);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    x: () => toggle(cursor, false),
    X: () => toggle(cursor, true),
    c: revoke,
    Escape: clear,
    Enter: () => {
      const task = rows?.[cursor];
      if (task !== undefined) navigate(taskLink(task.id));
    },
    o: () => {
      const task = rows?.[cursor];
      if (task !== undefined) open(taskLink(task.id), '_blank', 'noopener');
    },
  });
  return (
    <>
      <PageHead title="Tasks">
        {query !== '' && (
          <Act needs="retry">
            <button type="button" class="button" onClick={() => askToPlan(query)}>
              Run all that match…
            </button>
          </Act>
        )}
        <Act needs="send">
          <button type="button" class="button" onClick={() => askToSend()}>
            Send a task…
          </button>
        </Act>
      </PageHead>
      <QueryBar
        query={query}
        fault={list.fault?.status === 400 || list.fault?.status === 422 ? list.fault.message : null}
      />
      <SavedViews />
      <div ref={filters} class="filters">
        <button
          type="button"
          class="filter"
          aria-pressed={state === null}
          onClick={() => setSearch({ q: withoutState, after: null }, false)}
        >
          All
          {counts.value !== null && (
            <b class="num">
              {shortCount(Object.values(counts.value).reduce<number>((sum, each) => sum + (each ?? 0), 0))}
            </b>
          )}
        </button>
        {stateOrder.map((each) => {
          const { icon, tone, word } = lookOf(each);
          const own = counts.value?.[each] ?? 0;
          return (
            <button
              key={each}
              type="button"
              class={`filter tone-${tone}${own === 0 ? ' filter-none' : ''}`}
              aria-pressed={state === each}
              onClick={() =>
                setSearch({ q: state === each ? withoutState : withState(query, each), after: null }, false)
              }
            >
              <Icon name={icon} size={13} />
              {word}
              <b class="num">{shortCount(own)}</b>
            </button>
          );
        })}
      </div>
      {list.fault !== null && rows === null && <FaultNote fault={list.fault} retry={list.reload} />}
      {rows === null && list.fault === null && <Loading rows={12} />}
      {rows !== null && rows.length === 0 && <NoTasks query={query} />}
      {rows !== null && rows.length > 0 && (
        <>
          {selected.size > 0 && (
            <div class="selection" role="toolbar" aria-label="Selected tasks">
              <b>{plural(selected.size, 'task')} selected</b>
              <Act needs="retry">
                <button
                  type="button"
                  class="button"
                  disabled={!rows.some(({ id, endedAt }) => endedAt !== null && selected.has(id))}
                  onClick={runAgain}
                >
                  Run again…
                </button>
              </Act>
              <Act needs="revoke">
                <button type="button" class="button button-danger" onClick={revoke}>
                  Revoke…
                </button>
              </Act>
              <button type="button" class="button" onClick={clear}>
                Clear
              </button>
            </div>
          )}
          {fresh > 0 && (
            <button type="button" class="pill" onClick={show}>
              {plural(fresh, 'new task')}
            </button>
          )}
          <div class={`table-box${list.outdated ? ' outdated' : ''}`}>
            <table class="table table-tasks">
              <thead>
                <tr>
                  <th scope="col" class="check-cell">
                    <input
                      type="checkbox"
                      aria-label="Select all on this page"
                      checked={rows.every(({ id }) => selected.has(id))}
                      onChange={({ currentTarget }) =>
                        setSelected(currentTarget.checked ? new Set(rows.map(({ id }) => id)) : new Set())
                      }
                    />
                  </th>
                  {columns.map(({ field, word, place }) => (
                    <SortHead key={field} field={field} word={word} place={place} sort={sort} />
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((task, index) => (
                  <tr
                    key={task.id}
                    data-row={index}
                    class={`${selected.has(task.id) ? 'selected' : ''}${cursor === index ? ' cursor' : ''}`}
                  >
                    <td class="check-cell">
                      <input
                        type="checkbox"
                        aria-label={`Select ${task.name ?? ''} ${task.id}`}
                        checked={selected.has(task.id)}
                        onClick={(event) => {
                          event.preventDefault();
                          toggle(index, event.shiftKey);
                        }}
                      />
                    </td>
                    <TaskCells task={task} />
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <nav class="pager" aria-label="Pages of the list">
            <span class="dim">
              {after === null ? 'The first' : 'A page of'} {count(rows.length)}
              {paused.value && ', paused'}
            </span>
            <span class="pager-buttons">
              {after !== null && (
                <button type="button" class="button" onClick={() => setSearch({ after: null }, false)}>
                  First page
                </button>
              )}
              <button
                type="button"
                class="button"
                disabled={next === null}
                onClick={() => setSearch({ after: next }, false)}
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

function askToRevoke(tasks: readonly TaskLine[], done: () => void): void {
  const running = tasks.filter(({ state }) => state === 'STARTED').length;
  const over = tasks.filter(({ endedAt }) => endedAt !== null).length;
  confirm({
    title: `Revoke ${plural(tasks.length, 'task')}`,
    verb: 'Revoke',
    danger: true,
    effect: (
      <>
        <p>Workers end those that wait as REVOKED, and run none of them.</p>
        {running > 0 && <p>{plural(running, 'task runs', 'tasks run')} now, and goes on until its end.</p>}
        {over > 0 && (
          <p class="dim">{plural(over, 'task has', 'tasks have')} ended: nothing changes for them.</p>
        )}
      </>
    ),
    act: async (why) => {
      const ids = tasks.map(({ id }) => id);
      const outcome = await answer(
        api.tasks.revoke.$post({ query: why, json: { ids, terminate: false, signal: 'SIGTERM' } }),
      );
      done();
      return outcome;
    },
  });
}

/**
 * Keeps the shown rows in place while the pointer is on the list, the page is scrolled, or `hold(true)` was called. The rows are updated in
 * place; `fresh` counts the new tasks, and `show` shows them. Otherwise the rows are the latest answer.
 */
function useSteadyRows(
  key: string,
  latest: readonly TaskLine[] | null,
): {
  readonly rows: readonly TaskLine[] | null;
  readonly fresh: number;
  readonly show: () => void;
  readonly hold: (held: boolean) => void;
} {
  const [shown, setShown] = useState<{ key: string; rows: readonly TaskLine[] } | null>(null);
  const [over, setOver] = useState(false);
  const held = useRef(false);
  const changes = useRef(
    new Map<string, { state: string; worker: string | null; runtimeMs: number | null }>(),
  );
  const [, redraw] = useState(0);
  useEffect(() => {
    const onMove = (event: PointerEvent): void =>
      setOver(event.target instanceof Element && event.target.closest('.table-tasks tbody') !== null);
    document.addEventListener('pointermove', onMove);
    return () => document.removeEventListener('pointermove', onMove);
  }, []);
  useDeltas(({ tasks }) => {
    const ids = new Set(shown?.rows.map(({ id }) => id));
    let changed = false;
    for (const { id, state, worker, runtimeMs } of tasks)
      if (ids.has(id)) {
        changes.current.set(id, { state, worker, runtimeMs });
        changed = true;
      }
    if (changed && !paused.value) redraw((n) => n + 1);
  });
  const isNew = shown === null || shown.key !== key;
  useEffect(() => {
    if (latest === null) return;
    changes.current.clear();
    const known = new Map(latest.map((task) => [task.id, task]));
    const keeps = !isNew && (over || held.current || scrollY > 200);
    setShown((before) =>
      keeps && before !== null
        ? { key, rows: before.rows.map((task) => known.get(task.id) ?? task) }
        : { key, rows: latest },
    );
  }, [latest, key]);
  const rows = useMemo(() => {
    if (shown === null) return null;
    return shown.rows.map((task) => ({ ...task, ...changes.current.get(task.id) }) as TaskLine); // a delta's state is any string
  }, [shown, changes.current.size]);
  const ids = new Set(shown?.rows.map(({ id }) => id));
  const fresh = isNew || latest === null ? 0 : latest.filter(({ id }) => !ids.has(id)).length;
  return {
    rows,
    fresh,
    show: () => {
      if (latest !== null) setShown({ key, rows: latest });
      scrollTo(0, 0);
    },
    hold: (now) => {
      held.current = now;
    },
  };
}

/** Queries with a name, kept in this browser. Each is a link: its address shows the same to others. */
function SavedViews(): JSX.Element | null {
  const query = search.value.get('q') ?? '';
  const sort = search.value.get('sort');
  const [name, setName] = useState<string | null>(null);
  const views = savedViews.value;
  const isSaved = views.some((view) => view.query === query && view.sort === sort);
  if (views.length === 0 && query === '') return null;
  return (
    <div class="saved-views">
      {views.map((view) => (
        <span key={view.name} class="chip saved-view">
          <a
            href={link('/tasks', { q: view.query, sort: view.sort })}
            aria-current={view.query === query && view.sort === sort ? 'true' : undefined}
          >
            {view.name}
          </a>
          <button
            type="button"
            class="icon-button"
            aria-label={`Forget the view ${view.name}`}
            onClick={() => {
              savedViews.value = views.filter((each) => each.name !== view.name);
            }}
          >
            <Icon name="close" size={12} />
          </button>
        </span>
      ))}
      {query !== '' && !isSaved && name === null && (
        <button type="button" class="link-button" onClick={() => setName('')}>
          Save this view
        </button>
      )}
      {name !== null && (
        <form
          class="form-row form-inline"
          onSubmit={(event) => {
            event.preventDefault();
            const given = name.trim();
            if (given !== '')
              savedViews.value = [
                ...views.filter((each) => each.name !== given),
                { name: given, query, sort },
              ];
            setName(null);
          }}
        >
          <input
            class="short view-name"
            aria-label="Name of the view"
            placeholder="Its name"
            maxLength={60}
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
          <button type="submit" class="button button-small">
            Save
          </button>
        </form>
      )}
    </div>
  );
}

function SortHead(props: { field: string; word: string; place: string; sort: string }): JSX.Element {
  const { field, word, place, sort } = props;
  const direction = sort === field ? 'ascending' : sort === `-${field}` ? 'descending' : undefined;
  return (
    <th scope="col" class={place} aria-sort={direction ?? 'none'}>
      <button
        type="button"
        class="sort"
        onClick={() =>
          setSearch({ sort: direction === 'descending' ? field : `-${field}`, after: null }, false)
        }
      >
        {word}
        <span aria-hidden="true">
          {direction === 'ascending' ? '↑' : direction === 'descending' ? '↓' : ''}
        </span>
      </button>
    </th>
  );
}

const examples = [
  'state:failure ended:<1h',
  'name:mail.*',
  'runtime:>10s',
  'args.user.id:5',
  '"timeout" NOT queue:slow',
];

function QueryBar({ query, fault }: { query: string; fault: string | null }): JSX.Element {
  const [typed, setTyped] = useState(query);
  const [open, setOpen] = useState(false);
  const names = useLoaded('names', () => answer(api.tasks.names.$get()));
  const values = useLoaded('values', () => answer(api.tasks.values.$get()));
  useEffect(() => setTyped(query), [query]);
  const submit = (text: string): void => {
    setOpen(false);
    setSearch({ q: text.trim(), after: null }, false);
  };
  const suggestions = open
    ? suggestionsFor(typed, {
        name: names.value?.names ?? [],
        ...(values.value ?? { queue: [], worker: [] }),
      })
    : [];
  return (
    <form
      class="query"
      onSubmit={(event) => {
        event.preventDefault();
        submit(typed);
      }}
    >
      <label class="query-box">
        <span class="off-screen">Search tasks</span>
        <Icon name="search" />
        <input
          id="query"
          type="search"
          value={typed}
          placeholder="state:failure name:mail.* ended:<1h"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={fault !== null}
          aria-describedby={fault === null ? undefined : 'query-fault'}
          onFocus={() => setOpen(true)}
          onBlur={() => setTimeout(() => setOpen(false), 150)}
          onInput={({ currentTarget }) => {
            setTyped(currentTarget.value);
            setOpen(true);
            if (currentTarget.value === '') submit('');
          }}
          onKeyDown={(event) => {
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        <kbd class="hide-s">/</kbd>
      </label>
      {suggestions.length > 0 && (
        <ul class="suggestions">
          {suggestions.map(({ text, means, whole }) => (
            <li key={text}>
              <button
                type="button"
                onClick={() => {
                  const made = completed(typed, text, whole);
                  setTyped(made);
                  if (whole) submit(made);
                  else document.querySelector<HTMLInputElement>('#query')?.focus();
                }}
              >
                <code>{text}</code>
                <span>{means}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {fault !== null && (
        <p id="query-fault" class="query-fault" role="alert">
          {fault}
        </p>
      )}
    </form>
  );
}

interface Suggestion {
  readonly text: string;
  readonly means: string;
  /** Replaces the whole text; false: completes the last word. */
  readonly whole: boolean;
}

const words: readonly (readonly [string, string])[] = [
  ['state:', 'its state'],
  ['name:', 'its name; * stands for anything'],
  ['queue:', 'its queue'],
  ['worker:', 'its last worker'],
  ['ended:<1h', 'ended within the last hour'],
  ['seen:<15m', 'first seen in the last 15 minutes'],
  ['runtime:>', 'run time of its last attempt: 10s, 500ms'],
  ['wait:>', 'time until its first start'],
  ['retries:>', 'how many times it was retried'],
  ['exception:', 'a part of its last error'],
  ['args:', 'a part of its arguments'],
  ['args.', 'a member of its arguments: args.user.id:5'],
  ['result:', 'a part of its result'],
  ['root:', 'all tasks of a workflow'],
  ['tag:', 'a stamp'],
  ['NOT ', 'excludes what follows'],
];

/** `known`: values of fields that the history has. */
function suggestionsFor(
  typed: string,
  known: Readonly<Record<string, readonly string[]>>,
): readonly Suggestion[] {
  if (typed.trim() === '') return examples.map((text) => ({ text, means: 'for example', whole: true }));
  const last = /\S*$/.exec(typed)?.[0] ?? '';
  const [, field = '', value = ''] = /^(state|name|queue|worker):(.*)$/.exec(last) ?? [];
  if (field === 'state')
    return stateOrder
      .filter((state) => state.toLowerCase().startsWith(value.toLowerCase()) && state.toLowerCase() !== value)
      .map((state) => ({ text: `state:${state.toLowerCase()}`, means: lookOf(state).word, whole: false }));
  if (field !== '')
    return (known[field] ?? [])
      .filter((each) => each.startsWith(value) && each !== value)
      .slice(0, 8)
      .map((each) => ({ text: term(field, each), means: '', whole: false }));
  if (last === '') return [];
  return words
    .filter(([word]) => word.startsWith(last) && word !== last)
    .map(([text, means]) => ({ text, means, whole: false }));
}

function completed(typed: string, text: string, whole: boolean): string {
  return whole ? text : typed.replace(/\S*$/, text);
}

function NoTasks({ query }: { query: string }): JSX.Element {
  if (query !== '')
    return (
      <Empty kind="no-match" title="No task matches">
        <p>
          Searched for <code>{query}</code> in the whole history.
        </p>
        <a class="button" href={link('/tasks')}>
          Clear the query
        </a>
      </Empty>
    );
  return (
    <Empty kind="nothing" title="No tasks yet">
      <p>
        This list shows the tasks whose events a recorder has received. Send a task, or switch on the events
        of Python’s workers:
      </p>
      <p>
        <code>celery -A app worker -E</code>
      </p>
    </Empty>
  );
}
