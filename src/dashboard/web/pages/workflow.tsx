// A workflow as a graph and as a timeline.
import type { JSX } from 'preact';
import type { TaskLine } from '../../server/pages/tasks.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, duration, plural } from '../format.ts';
import { clock, useDeltas, useRefresh } from '../live.ts';
import { term } from '../query.ts';
import { link, search, setSearch, taskLink } from '../router.ts';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { isFinal, lookOf, State, stateOrder } from '../ui/state.tsx';
import { ChordPanel } from './chord.tsx';
import { boxHeight, boxWidth, layoutOf } from './workflow-layout.ts';

/** Chords of a workflow that are looked at. */
const maxChords = 20;

export function WorkflowPage({ id }: { id: string }): JSX.Element {
  const { value, fault, reload } = useLoaded(`workflow ${id}`, () =>
    answer(api.workflows[':id'].$get({ param: { id } })),
  );
  useRefresh(reload, 2_000, 15_000);
  useDeltas(({ tasks }) => {
    const known = new Set(value?.tasks.map((task) => task.id));
    if (tasks.some((task) => known.has(task.id))) void reload();
  });
  if (value === null)
    return fault === null ? <Loading rows={10} /> : <FaultNote isPage fault={fault} retry={reload} />;
  const tasks = value.tasks;
  if (tasks.length === 0)
    return (
      <Empty kind="broken" isPage title="The history does not know this workflow">
        <code>{id}</code>
      </Empty>
    );
  const inChords = tasks.flatMap(({ chordId, groupId }) => (chordId === null ? [] : (groupId ?? [])));
  const chords = [...new Set(inChords)].slice(0, maxChords);
  const asTimes = search.value.get('view') === 'times';
  const states = stateOrder.flatMap((state) => {
    const number = value.counts[state];
    return number === undefined ? [] : [{ state, number }];
  });
  const of = (some: typeof states): number => some.reduce((sum, { number }) => sum + number, 0);
  const [all, done] = [of(states), of(states.filter(({ state }) => isFinal(state)))];
  const first = tasks.find((task) => task.id === id) ?? tasks[0];
  return (
    <>
      <PageHead
        title={`Workflow of ${first?.name ?? 'an unknown task'}`}
        sub={
          <span class="sub-row">
            <code>{id}</code>
            <span>
              {count(done)} of {plural(all, 'task')} {done === 1 ? 'has' : 'have'} ended
              {all > tasks.length && `; the first and the last are shown, ${count(tasks.length)} in all`}
            </span>
            {states.map(({ state, number }) => (
              <span key={state} class={`badge tone-${lookOf(state).tone}`}>
                {count(number)} {lookOf(state).word}
              </span>
            ))}
          </span>
        }
      >
        <fieldset class="segments">
          <legend class="off-screen">Shown as</legend>
          <button type="button" aria-pressed={!asTimes} onClick={() => setSearch({ view: null })}>
            Graph
          </button>
          <button type="button" aria-pressed={asTimes} onClick={() => setSearch({ view: 'times' })}>
            Times
          </button>
        </fieldset>
        <a class="button" href={link('/tasks', { q: term('root', id) })}>
          As a list
        </a>
      </PageHead>
      {chords.map((each) => (
        <ChordPanel key={each} id={each} onDone={reload} />
      ))}
      {asTimes ? <Times tasks={tasks} /> : <Graph tasks={tasks} />}
    </>
  );
}

function Graph({ tasks }: { tasks: readonly TaskLine[] }): JSX.Element {
  const { boxes, edges, frames, width, height } = layoutOf(tasks);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard
    <section class="graph panel" aria-label="The graph of the workflow" tabIndex={0}>
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        <title>Tasks of the workflow</title>
        {frames.map((frame) => (
          <g key={frame.id} class={`graph-frame${frame.word === 'siblings' ? ' inferred' : ''}`}>
            <rect x={frame.x} y={frame.y} width={frame.width} height={frame.height} rx="8" />
            <text x={frame.x + 8} y={frame.y + 13}>
              {frame.word} {frame.done}/{frame.of}
            </text>
          </g>
        ))}
        {edges.map(({ from, to }) => {
          const [x1, y1] = [from.x + boxWidth, from.y + boxHeight / 2];
          const [x2, y2] = [to.x, to.y + boxHeight / 2];
          const bend = Math.max(20, (x2 - x1) / 2);
          return (
            <path
              key={`${from.task.id} ${to.task.id}`}
              class="graph-edge"
              d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
            />
          );
        })}
        {boxes.map(({ task, x, y }) => {
          const { tone, word } = lookOf(task.state);
          return (
            <a key={task.id} href={taskLink(task.id)}>
              <g
                class={`graph-box tone-${tone}${task.state === 'STARTED' ? ' pulse' : ''}`}
                transform={`translate(${x} ${y})`}
              >
                <title>{`${task.name ?? 'unknown task'}\n${task.id}\n${task.call}`}</title>
                <rect width={boxWidth} height={boxHeight} rx="7" />
                <rect class="graph-stripe" width="4" height={boxHeight} rx="2" />
                <text class="graph-name" x="14" y="19">
                  {cut(task.name ?? task.id, 25)}
                </text>
                <text class="graph-note" x="14" y="36">
                  {word}
                  {task.runtimeMs === null ? '' : ` · ${duration(task.runtimeMs)}`}
                </text>
              </g>
            </a>
          );
        })}
      </svg>
    </section>
  );
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(1 - length)}`;
}

/** The timeline: for each task a pale bar while it waits, and a full bar while it runs. */
function Times({ tasks }: { tasks: readonly TaskLine[] }): JSX.Element {
  const now = clock.value;
  const begin = (task: TaskLine): number => task.sentAt ?? task.seenAt;
  const end = (task: TaskLine): number => task.endedAt ?? (isFinal(task.state) ? begin(task) : now);
  const from = Math.min(...tasks.map(begin));
  const until = Math.max(from + 1, ...tasks.map(end));
  const place = (at: number): number => (100 * (at - from)) / (until - from);
  return (
    <div class="table-box">
      <table class="table gantt">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col" class="hide-s">
              State
            </th>
            <th scope="col">{duration(until - from)} in all</th>
            <th scope="col" class="right hide-s">
              Wait
            </th>
            <th scope="col" class="right">
              Runtime
            </th>
          </tr>
        </thead>
        <tbody>
          {[...tasks]
            .sort((a, b) => begin(a) - begin(b))
            .map((task) => {
              const started = task.startedAt ?? end(task);
              return (
                <tr key={task.id}>
                  <th scope="row" class="wide-cell">
                    <a href={taskLink(task.id)}>{task.name ?? task.id}</a>
                  </th>
                  <td class="hide-s">
                    <State state={task.state} />
                  </td>
                  <td class="gantt-cell">
                    <span class={`gantt-bar tone-${lookOf(task.state).tone}`}>
                      <i
                        class="gantt-wait"
                        style={{
                          left: `${place(begin(task))}%`,
                          width: `${place(started) - place(begin(task))}%`,
                        }}
                      />
                      <i
                        class="gantt-run"
                        style={{
                          left: `${place(started)}%`,
                          width: `${Math.max(0.4, place(end(task)) - place(started))}%`,
                        }}
                      />
                    </span>
                  </td>
                  <td class="right num hide-s">{duration(task.waitMs)}</td>
                  <td class="right num">{duration(task.runtimeMs)}</td>
                </tr>
              );
            })}
        </tbody>
      </table>
    </div>
  );
}
