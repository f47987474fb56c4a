import type { JSX } from 'preact';
import type { TaskLine } from '../../server/pages/tasks.ts';
import { duration } from '../format.ts';
import { taskLink } from '../router.ts';
import { State } from '../ui/state.tsx';
import { Time } from '../ui/time.tsx';

/** The cells of a task in a list: name and call, state, times. */
export function TaskCells({ task }: { task: TaskLine }): JSX.Element {
  const { id, name, state, queue, worker, retries, waitMs, runtimeMs, seenAt, endedAt, exception, call } =
    task;
  return (
    <>
      <td class="wide-cell">
        <a class="strong" href={taskLink(id)}>
          {name ?? 'unknown task'}
        </a>
        {(retries ?? 0) > 0 && <span class="chip tone-amber">try {(retries ?? 0) + 1}</span>}
        <span class="second mono">{exception !== null && state === 'FAILURE' ? exception : call || id}</span>
      </td>
      <td>
        <State state={state} />
      </td>
      <td class="hide-m">
        {queue === null ? <span class="dim">–</span> : <span class="chip">{queue}</span>}
      </td>
      <td class="hide-m dim cell-cut">{worker ?? '–'}</td>
      <td class="right num hide-s">{duration(waitMs)}</td>
      <td class="right num hide-s">{duration(runtimeMs)}</td>
      <td class="right">
        <Time at={endedAt ?? seenAt} />
      </td>
    </>
  );
}
