// The board: a column for each status. A task is moved by dragging it, by the arrows on it, or by Shift and an arrow key.
import { useRef, useState } from 'preact/hooks';
import { type Status, statuses } from '../shared/kinds.ts';
import type { Task, TaskPage } from '../shared/shapes.ts';
import { ask, type Loaded, useLoad } from './api.ts';
import { useShared } from './context.ts';
import { Deadline, IconButton, Nothing, PriorityChip, Problem } from './parts.tsx';
import { statusNames } from './words.ts';

const perColumn = 50;
const sorts: Readonly<Record<Status, string>> = { todo: 'deadline', doing: 'deadline', done: 'created' };

export function Board() {
  const { revision, say, attempt, edit } = useShared();
  const load = (status: Status) =>
    useLoad<TaskPage>(`/tasks?status=${status}&sort=${sorts[status]}&per_page=${perColumn}`, revision);
  const columns: Record<Status, Loaded<TaskPage>> = {
    todo: load('todo'),
    doing: load('doing'),
    done: load('done'),
  };
  const [over, setOver] = useState<Status>();
  const board = useRef<HTMLDivElement>(null);
  const dragged = useRef<Task | undefined>(undefined);

  const move = async (task: Task, to: Status | undefined): Promise<void> => {
    const from = columns[task.status];
    const target = to && columns[to];
    if (!target?.data || !from.data || to === undefined || to === task.status) return;
    const { data: before } = from;
    const { data: beside } = target;
    from.set({
      ...before,
      total: before.total - 1,
      items: before.items.filter(({ id }) => id !== task.id),
    });
    target.set({ ...beside, total: beside.total + 1, items: [{ ...task, status: to }, ...beside.items] });
    requestAnimationFrame(() => card(task.id)?.focus());
    if (await attempt(() => ask('PATCH', `/tasks/${task.id}`, { status: to }), task.title))
      return say(`${task.title}: ${statusNames[to]}`);
    from.set(before);
    target.set(beside);
  };
  const card = (id: number) => board.current?.querySelector<HTMLElement>(`[data-task="${id}"]`);

  const onKey = (event: KeyboardEvent, task: Task) => {
    if (event.target !== event.currentTarget) return; // a button on the card
    const column = statuses.indexOf(task.status);
    const aside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const along = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === 'Enter' || event.key === ' ') edit(task);
    else if (aside !== undefined && event.shiftKey) void move(task, statuses[column + aside]);
    else if (aside !== undefined) {
      const next = statuses[column + aside];
      const first = next && columns[next].data?.items[0];
      if (first) card(first.id)?.focus();
    } else if (along !== undefined) {
      const items = columns[task.status].data?.items ?? [];
      const next = items[items.findIndex(({ id }) => id === task.id) + along];
      if (next) card(next.id)?.focus();
    } else return;
    event.preventDefault();
  };

  return (
    <section>
      <h1 class="unseen">Board of your tasks</h1>
      <div class="columns board" ref={board}>
        {statuses.map((status, at) => {
          const { data, error } = columns[status];
          const more = data ? data.total - data.items.length : 0;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: what is dragged can be moved by keys, too
            <div
              key={status}
              class="column"
              data-status={status}
              data-over={over === status}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(status);
              }}
              onDragLeave={({ currentTarget, relatedTarget: to }) => {
                if (!(to instanceof Node && currentTarget.contains(to))) setOver(undefined);
              }}
              onDrop={(event) => {
                event.preventDefault();
                setOver(undefined);
                if (dragged.current) void move(dragged.current, status);
              }}
            >
              <h2 class="row between">
                {statusNames[status]} <span class="small total">{data?.total}</span>
              </h2>
              <Problem text={error} />
              <ul>
                {data?.items.map((task) => (
                  <li key={task.id}>
                    {/* biome-ignore lint/a11y/useSemanticElements: a button could not have buttons in it */}
                    <div
                      class="card"
                      role="group"
                      // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes arrow keys
                      tabIndex={0}
                      aria-label={`${task.title}, ${statusNames[status]}`}
                      aria-keyshortcuts="Shift+ArrowLeft Shift+ArrowRight Enter"
                      data-task={task.id}
                      draggable
                      onDragStart={(event) => {
                        dragged.current = task;
                        event.dataTransfer?.setData('text/plain', task.title);
                      }}
                      onKeyDown={(event) => onKey(event, task)}
                    >
                      <button type="button" class="title" tabIndex={-1} onClick={() => edit(task)}>
                        {task.title}
                      </button>
                      <div class="row wrap facts">
                        <PriorityChip priority={task.priority} />
                        <Deadline task={task} />
                        <span class="push">
                          {([-1, 1] as const).map((step) => {
                            const to = statuses[at + step];
                            return (
                              to && (
                                <IconButton
                                  key={to}
                                  name={`Move ${task.title} to ${statusNames[to]}`}
                                  icon={step < 0 ? 'left' : 'right'}
                                  act={() => void move(task, to)}
                                />
                              )
                            );
                          })}
                        </span>
                      </div>
                    </div>
                  </li>
                ))}
              </ul>
              {data?.total === 0 && <Nothing>Nothing here</Nothing>}
              {more > 0 && <a href={`#/list?status=${status}&sort=${sorts[status]}`}>and {more} more</a>}
            </div>
          );
        })}
      </div>
    </section>
  );
}
