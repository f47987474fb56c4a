// One change to many tasks: each is a task of Umbel of its own, and says what became of it.
import { useEffect, useState } from 'preact/hooks';
import type { BulkResult, Task } from '../shared/shapes.ts';
import { ask } from './api.ts';
import { useShared } from './context.ts';
import { Dialog, Problem, Select } from './parts.tsx';
import { count, priorityOptions, statusOptions } from './words.ts';

const changes = [
  ...statusOptions.map(([status, name]) => [`status:${status}`, `Status: ${name}`] as const),
  ...priorityOptions.map(([priority, name]) => [`priority:${priority}`, `Priority: ${name}`] as const),
];

type Selected = { readonly tasks: ReadonlyMap<number, Task>; readonly done: () => void };

export function BulkBar({ tasks, done }: Selected) {
  const { attempt } = useShared();
  const [change, setChange] = useState('status:done');
  const [result, setResult] = useState<BulkResult>();
  const begin = () => {
    const [name = '', value] = change.split(':');
    const body = { task_ids: [...tasks.keys()], update_data: { [name]: value } };
    return attempt(async () => setResult(await ask<BulkResult>('POST', '/tasks/bulk-update', body)));
  };
  return (
    <>
      <form
        class="row wrap panel bulk"
        aria-label="Change what is selected"
        onSubmit={(event) => {
          event.preventDefault();
          void begin();
        }}
      >
        <strong>{tasks.size} selected</strong>
        <Select label="Change" hideLabel value={change} options={changes} choose={setChange} />
        <button type="submit" class="main">
          Change {count(tasks.size, 'task')}
        </button>
        <button type="button" class="link" onClick={done}>
          Cancel
        </button>
      </form>
      {result && <BulkProgress begun={result} tasks={tasks} done={done} />}
    </>
  );
}

const outcomes = {
  waiting: 'waiting',
  updated: 'changed',
  'not found': 'is no more',
  failed: 'failed',
} as const;

function BulkProgress({ begun, tasks, done }: Selected & { readonly begun: BulkResult }) {
  const [shown, show] = useState<{ readonly result: BulkResult; readonly error?: string }>({ result: begun });
  const { result, error } = shown;
  useEffect(() => {
    if (result.done === result.total) return;
    const look = () =>
      ask<BulkResult>('GET', `/tasks/bulk-update/${result.task_id}`).then(
        (next) => show({ result: next }),
        ({ message }: Error) => show({ result, error: message }), // and looks once more
      );
    const timer = setTimeout(look, 300);
    return () => clearTimeout(timer);
  }, [shown]);
  return (
    <Dialog title="Changing tasks" close={done}>
      <p role="status">
        {result.done} of {count(result.total, 'task')}
      </p>
      <progress aria-label="How many are done" value={result.done} max={result.total} />
      <Problem text={error} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard */}
      <ul class="outcomes" tabIndex={0} aria-label="What became of each task">
        {result.items.map(({ task_id, outcome, error: reason }) => (
          <li key={task_id} class="row between" data-outcome={outcome}>
            <span>{tasks.get(task_id)?.title ?? task_id}</span>
            <span class={outcome === 'failed' ? 'error' : 'muted'} title={reason ?? undefined}>
              {outcomes[outcome]}
            </span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
