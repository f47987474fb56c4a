// One change to many tasks: each is a task of Umbel of its own, and says what became of it.
import { useEffect, useState } from 'preact/hooks';
import { priorities, statuses } from '../server/schema.ts';
import type { BulkResult, Task } from '../server/shapes.ts';
import { ask } from './api.ts';
import { useShared } from './context.ts';
import { Dialog, Select } from './parts.tsx';
import { count, priorityNames, statusNames } from './words.ts';

const changes = [
  ...statuses.map((status) => [`status:${status}`, `Status: ${statusNames[status]}`] as const),
  ...priorities.map((priority) => [`priority:${priority}`, `Priority: ${priorityNames[priority]}`] as const),
];

interface BulkParts {
  readonly tasks: ReadonlyMap<number, Task>;
  done(): void;
}

export function BulkBar({ tasks, done }: BulkParts) {
  const { say } = useShared();
  const [change, setChange] = useState('status:done');
  const [result, setResult] = useState<BulkResult>();
  const begin = async () => {
    const [name = '', value] = change.split(':');
    const body = { task_ids: [...tasks.keys()], update_data: { [name]: value } };
    try {
      setResult(await ask<BulkResult>('POST', '/tasks/bulk-update', body));
    } catch (failure) {
      say((failure as Error).message, 'error');
    }
  };
  return (
    <>
      <form
        class="bulk"
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
      {error && <p class="error">{error}</p>}
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
