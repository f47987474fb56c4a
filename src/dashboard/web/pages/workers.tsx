import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { WorkerSummary } from '../../server/pages/workers.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, duration, plural } from '../format.ts';
import { useDeltas, useRefresh, useReloadSoon } from '../live.ts';
import { term } from '../query.ts';
import { link, workerLink } from '../router.ts';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Time } from '../ui/time.tsx';
import { useRollingRestart } from './rolling-restart.tsx';

export function WorkersPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('workers', () => answer(api.workers.$get()));
  useRefresh(reload, 2_000, 5_000);
  useReloadSoon(value?.asking === true, value, reload);
  const workers = useLiveWorkers(value?.workers ?? []);
  const restart = useRollingRestart(workers);
  const alive = workers.filter((worker) => worker.alive);
  const total = (key: 'active' | 'processed' | 'concurrency'): number =>
    alive.reduce((sum, worker) => sum + (worker[key] ?? 0), 0);
  return (
    <>
      <PageHead
        title="Workers"
        sub={
          value === null
            ? undefined
            : `${count(alive.length)} online, ${plural(total('active'), 'task')} running in ${plural(total('concurrency'), 'slot')}`
        }
      >
        {restart.button}
      </PageHead>
      {restart.panel}
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {(value === null ? fault === null : workers.length === 0 && value.asking) && <Loading />}
      {value?.problem != null && (
        <Warning tone="red">
          <b>The workers are unreachable.</b> {value.problem} This list is from earlier events.
        </Warning>
      )}
      {value !== null && workers.length === 0 && !value.asking && (
        <Empty kind="broken" title="No worker answers">
          <p>No worker sent an event, and no worker replied within a second. Start one:</p>
          <p>
            <code>umbel -A ./app.ts worker</code>
          </p>
          <p>
            <code>celery -A app worker -E</code>
          </p>
        </Empty>
      )}
      {workers.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">Status</th>
                <th scope="col">Busy</th>
                <th scope="col" class="right hide-s">
                  Processed
                </th>
                <th scope="col" class="hide-m">
                  Queues
                </th>
                <th scope="col" class="right hide-m">
                  Load
                </th>
                <th scope="col" class="right hide-s">
                  Up
                </th>
              </tr>
            </thead>
            <tbody>
              {workers.map((worker) => (
                <WorkerRow key={worker.name} worker={worker} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

/** The list, updated with the changes since it was loaded. */
function useLiveWorkers(listed: readonly WorkerSummary[]): readonly WorkerSummary[] {
  const [changes, setChanges] = useState<ReadonlyMap<string, Partial<WorkerSummary>>>(new Map());
  useDeltas(({ workers }) => {
    if (workers.length === 0) return;
    setChanges(
      (before) =>
        new Map<string, Partial<WorkerSummary>>([
          ...before,
          ...workers.map(({ name, active, processed, load }) => [name, { active, processed, load }] as const),
        ]),
    );
  });
  return listed.map((worker) => ({ ...worker, ...changes.get(worker.name) }));
}

function WorkerRow({ worker }: { worker: WorkerSummary }): JSX.Element {
  const { name, active, concurrency, processed, queues, load, uptime, software } = worker;
  return (
    <tr class={worker.alive ? '' : 'faded'}>
      <td class="wide-cell">
        <a class="strong" href={workerLink(name)}>
          {name}
        </a>
        <span class="second">
          {[software, worker.pool].filter(Boolean).join(' · ') || 'its events are off'}
        </span>
      </td>
      <td>
        <WorkerStatus worker={worker} />
      </td>
      <td>
        <Busy active={active} concurrency={concurrency} />
      </td>
      <td class="right num hide-s">
        {processed === null ? (
          '–'
        ) : (
          <a href={link('/tasks', { q: term('worker', name) })}>{count(processed)}</a>
        )}
      </td>
      <td class="hide-m">
        <span class="chips">
          {queues === null ? (
            <span class="dim">–</span>
          ) : (
            queues.slice(0, 4).map((queue) => (
              <span key={queue} class="chip">
                {queue}
              </span>
            ))
          )}
          {queues !== null && queues.length > 4 && <span class="dim">+{queues.length - 4}</span>}
        </span>
      </td>
      <td class="right num hide-m">{load.map((each) => each.toFixed(2)).join(' ') || '–'}</td>
      <td class="right num hide-s">{uptime === null ? '–' : duration(uptime * 1000)}</td>
    </tr>
  );
}

export function WorkerStatus({ worker }: { worker: WorkerSummary }): JSX.Element {
  const { alive, answered, lastSeenAt } = worker;
  if (!alive && answered === null && lastSeenAt === null)
    return <span class="badge tone-stone">being asked</span>;
  if (!alive)
    return (
      <span class="status">
        <span class="badge tone-stone">offline</span>{' '}
        <span class="second">
          last seen <Time at={lastSeenAt} />
        </span>
      </span>
    );
  if (answered === false)
    return (
      <span class="badge tone-amber" title="It sends heartbeats, but did not answer within a second">
        no answer
      </span>
    );
  return <span class="badge tone-green">online</span>;
}

export function Busy({
  active,
  concurrency,
}: {
  active: number | null;
  concurrency: number | null;
}): JSX.Element {
  if (active === null || concurrency === null)
    return <span class="num">{active === null ? '–' : count(active)}</span>;
  return (
    <span class="busy">
      <span class="num">
        {count(active)}
        <span class="dim">/{count(concurrency)}</span>
      </span>
      <span class="meter" role="img" aria-label={`${active} of ${concurrency} slots are busy`}>
        <i style={{ width: `${Math.min(100, (100 * active) / Math.max(1, concurrency))}%` }} />
      </span>
    </span>
  );
}
