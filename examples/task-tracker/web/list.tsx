// The list: filters, pages, and what is done to many tasks at once.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Status } from '../shared/kinds.ts';
import type { Task, TaskPage } from '../shared/shapes.ts';
import { ask, useLoad } from './api.ts';
import { BulkBar } from './bulk.tsx';
import { go, useRoute, useShared } from './context.ts';
import { type Choice, Deadline, Icon, Nothing, PriorityChip, Problem, Select } from './parts.tsx';
import { count, priorityOptions, statusOptions } from './words.ts';

const perPage = 25;

export function List() {
  const { query } = useRoute();
  const { revision, edit, attempt } = useShared();
  const asked = new URLSearchParams(query);
  asked.set('per_page', String(perPage));
  if (!asked.has('status') && !asked.has('due')) asked.set('status', 'open');
  if (asked.get('status') === 'any') asked.delete('status');
  const { data, error, set } = useLoad<TaskPage>(`/tasks?${asked}`, revision);
  const [selected, setSelected] = useState<ReadonlyMap<number, Task>>(new Map());

  const filters = Object.fromEntries(query);
  const filter = (changed: Values) => go('list', { ...filters, page: '', ...changed }, true);
  const turn = (page: number) => go('list', { ...filters, page: page === 1 ? '' : String(page) });
  const select = (tasks: readonly Task[], yes: boolean) => {
    const next = new Map(selected);
    for (const task of tasks) yes ? next.set(task.id, task) : next.delete(task.id);
    setSelected(next);
  };
  const items = data?.items ?? [];
  const all = items.length > 0 && items.every(({ id }) => selected.has(id));
  const move = async (task: Task, status: Status) => {
    if (data) set({ ...data, items: items.map((one) => (one.id === task.id ? { ...one, status } : one)) });
    const changed = await attempt(() => ask('PATCH', `/tasks/${task.id}`, { status }), task.title);
    if (!changed && data) set(data);
  };

  useEffect(() => {
    // The last page became shorter: the one that is the last now.
    if (data && data.page > data.pages) turn(data.pages);
  });

  const from = data ? (data.page - 1) * perPage + 1 : 0;
  return (
    <section>
      <h1 class="unseen">List of your tasks</h1>
      <Filters filters={filters} filter={filter} />
      <Problem text={error} />
      {data?.total === 0 && (
        <Nothing>
          {Object.keys(filters).length > 0 ? 'No task fits these filters.' : 'There is nothing to do.'}{' '}
          <button type="button" class="link" onClick={() => edit()}>
            Add one
          </button>
        </Nothing>
      )}
      {data && data.total > 0 && (
        <>
          <div class="row between muted above">
            <label class="row check">
              <input type="checkbox" checked={all} onChange={() => select(items, !all)} />
              <span>Select this page</span>
            </label>
            <span>{count(data.total, 'task')}</span>
          </div>
          <ul class="panel rows">
            {items.map((task) => (
              <li key={task.id} class="row" data-status={task.status} data-selected={selected.has(task.id)}>
                <label class="row check">
                  <input
                    type="checkbox"
                    checked={selected.has(task.id)}
                    onChange={(event) => select([task], event.currentTarget.checked)}
                    data-row
                  />
                  <span class="unseen">Select {task.title}</span>
                </label>
                <button type="button" class="title" onClick={() => edit(task)}>
                  <span class="name">{task.title}</span>
                  {task.description && <span class="small">{task.description}</span>}
                </button>
                <div class="row facts">
                  <PriorityChip priority={task.priority} />
                  <Deadline task={task} />
                </div>
                <Select
                  label={`Status of ${task.title}`}
                  hideLabel
                  value={task.status}
                  options={statusOptions}
                  choose={(status) => void move(task, status as Status)} // one of the options
                />
              </li>
            ))}
          </ul>
          <nav class="row muted pages" aria-label="Pages of the list">
            <button type="button" disabled={data.page <= 1} onClick={() => turn(data.page - 1)}>
              <Icon name="left" /> Previous
            </button>
            <span>
              {from}–{from + items.length - 1} of {data.total}
            </span>
            <button type="button" disabled={data.page >= data.pages} onClick={() => turn(data.page + 1)}>
              Next <Icon name="right" />
            </button>
          </nav>
        </>
      )}
      {selected.size > 0 && <BulkBar tasks={selected} done={() => setSelected(new Map())} />}
    </section>
  );
}

const dues = [
  ['', 'Any deadline'],
  ['overdue', 'Overdue'],
  ['day', 'Due in a day'],
  ['week', 'Due in a week'],
  ['none', 'No deadline'],
] as const;
const sorts = [
  ['', 'Deadline first'],
  ['priority', 'Urgent first'],
  ['created', 'Newest first'],
  ['title', 'By title'],
] as const;

type Values = Readonly<Record<string, string>>;

function Filters({ filters, filter }: { filters: Values; filter(changed: Values): void }) {
  const timer = useRef<number | undefined>(undefined);
  const search = (text: string) => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => filter({ search: text }), 200);
  };
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const select = (label: string, name: string, options: Choice['options']) => (
    <Select
      label={label}
      hideLabel
      value={filters[name] ?? ''}
      options={options}
      choose={(value) => filter({ [name]: value })}
    />
  );
  return (
    <search class="row wrap filters">
      <label class="field search">
        <span class="unseen">Search in titles and descriptions</span>
        <input
          id="search"
          type="search"
          placeholder="Search"
          maxLength={100}
          defaultValue={filters.search ?? ''}
          onInput={(event) => search(event.currentTarget.value)}
        />
      </label>
      {select('Status', 'status', [['', 'Not done'], ['any', 'Any status'], ...statusOptions])}
      {select('Priority', 'priority', [['', 'Any priority'], ...priorityOptions])}
      {select('Deadline', 'due', dues)}
      {select('Order', 'sort', sorts)}
    </search>
  );
}
