// Exports: begun here, written by a worker, watched while they run, downloaded.
import { useEffect, useState } from 'preact/hooks';
import type { Export } from '../shared/shapes.ts';
import { ask, useLoad } from './api.ts';
import { useShared } from './context.ts';
import { Icon, Nothing, Problem } from './parts.tsx';
import { count, exactly } from './words.ts';

export function Exports() {
  const { revision, attempt } = useShared();
  const { data, error, set } = useLoad<Export[]>('/tasks/exports', revision);
  const begin = (format: Export['format']) =>
    attempt(async () =>
      set([await ask<Export>('POST', `/tasks/export?export_format=${format}`), ...(data ?? [])]),
    );
  return (
    <section class="exports">
      <div class="row wrap between above">
        <h1>Exports</h1>
        <span class="row">
          <button type="button" class="main" onClick={() => void begin('json')}>
            Export as JSON
          </button>
          <button type="button" onClick={() => void begin('csv')}>
            Export as CSV
          </button>
        </span>
      </div>
      <Problem text={error} />
      {data?.length === 0 && (
        <Nothing>All your tasks as a file, written in the background. It is kept for a week.</Nothing>
      )}
      <ul class="panel rows">
        {data?.map((one) => (
          <OneExport key={one.task_id} begun={one} />
        ))}
      </ul>
    </section>
  );
}

function OneExport({ begun }: { readonly begun: Export }) {
  const { say } = useShared();
  const [status, setStatus] = useState(begun);
  const ended = status.download !== null || status.error !== null;
  useEffect(() => {
    if (ended) return;
    const events = new EventSource(`/tasks/export-events/${begun.task_id}`);
    events.addEventListener('status', ({ data }) => {
      const next: Export = JSON.parse(data);
      setStatus(next);
      if (next.download !== null) say('The export is ready');
    });
    return () => events.close();
  }, [begun.task_id, ended, say]);
  const { done, total, format, created_at, download, error } = status;
  return (
    <li class="row">
      <span class="title">
        <span>{format.toUpperCase()}</span>
        <span class="small">{exactly(created_at)}</span>
      </span>
      <span class="row progress">
        {!ended && (
          <progress
            aria-label={`Progress of the export of ${exactly(created_at)}`}
            {...(total !== null && { value: done, max: Math.max(1, total) })}
          />
        )}
        <span class={error ? 'error' : ''}>
          {error ?? (ended ? count(done, 'task') : total === null ? 'waiting' : `${done} of ${total}`)}
        </span>
      </span>
      {download !== null && (
        <a class="button" href={download} download>
          <Icon name="exports" /> Download
        </a>
      )}
    </li>
  );
}
