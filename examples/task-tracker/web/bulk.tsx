// One change to many tasks: each is a task of Umbel of its own, and says what became of it.
import { useEffect, useState } from 'preact/hooks';
import type { BulkResult, Task } from '../server/shapes.ts';
import { ask } from './api.ts';
import { useShared } from './context.ts';
import { Dialog, Problem, Select } from './parts.tsx';
import { count, priorityOptions, statusOptions } from './words.ts';

const changes = [
  ...statusOptions.map(([status, name]) => [`status:${status}`, `Status: ${name}`] as const),
  ...priorityOptions.map(([priority, name]) => [`priority:${priority}`, `Priority: ${name}`] as const),
];

interface BulkParts {
  readonly tasks: ReadonlyMap<number, Task>;
  done(): void;
}

export function BulkBar({ tasks, done }: BulkParts) {
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
        class="row panel bulk"
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
      {result && <BulkProgress begun={result} tasks={tasks} close={done} />}
    </>
  );
}

const outcomes = {
  waiting: 'waiting',
  updated: 'changed',
  'not found': 'is there no more',
  failed: 'failed',
} as const;

interface ProgressParts {
  readonly begun: BulkResult;
  readonly tasks: ReadonlyMap<number, Task>;
  close(): void;
}

function BulkProgress({ begun, tasks, close }: ProgressParts) {
  const [result, setResult] = useState(begun);
  const [error, setError] = useState<string>();
  useEffect(() => {
    if (result.done === result.total) return;
    const timer = setTimeout(
      () =>
        ask<BulkResult>('GET', `/tasks/bulk-update/${result.task_id}`).then(
          (next) => {
            setResult(next);
            setError(undefined);
          },
          (failure: Error) => {
            setError(failure.message);
            setResult({ ...result }); // and once more
          },
        ),
      300,
    );
    return () => clearTimeout(timer);
  }, [result]);
  return (
    <Dialog title="Changing tasks" close={close}>
      <p role="status">
        {result.done} of {count(result.total, 'task')}
      </p>
      <progress aria-label="How many are done" value={result.done} max={result.total} />
      <Problem text={error} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard */}
      <ul class="outcomes" tabIndex={0} aria-label="What became of each task">
        {result.items.map(({ task_id, outcome, error: reason }) => (
          <li key={task_id} data-outcome={outcome}>
            <span>{tasks.get(task_id)?.title ?? task_id}</span>
            <em title={reason ?? undefined}>{outcomes[outcome]}</em>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
