// The overview of the cluster.
import type { JSX } from 'preact';
import type { HealthFigure } from '../../../stores/store-health.ts';
import type { Overview } from '../../server/pages/overview.ts';
import { answer, api, useLoaded } from '../api.ts';
import { bytes, count, duration, plural, share, shortCount } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { term } from '../query.ts';
import { link, queueLink, taskLink, workerLink } from '../router.ts';
import { ActivityChart, Spark } from '../ui/chart.tsx';
import { run } from '../ui/dialog.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { Time } from '../ui/time.tsx';

export function OverviewPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('overview', () => answer(api.overview.$get()));
  useRefresh(reload, 2_000, 5_000);
  useReloadSoon(value?.workers.asking === true, value, reload);
  return (
    <>
      <PageHead title="Overview" sub={value === null ? undefined : <BrokerLine broker={value.broker} />} />
      {fault !== null && <FaultNote fault={fault} retry={reload} />}
      {value === null && fault === null && <Loading rows={10} />}
      {value !== null && <Board board={value} />}
    </>
  );
}

function StorePanel({ stores }: { stores: Overview['stores'] }): JSX.Element {
  return (
    <Panel title={stores.length > 1 ? 'Broker and results' : 'Broker'}>
      {stores.map(({ role, kind, figures }) => (
        <div key={role} class="store-health">
          {stores.length > 1 && (
            <h3>
              {role === 'broker' ? 'Broker' : 'Results'} <span class="dim">{kind}</span>
            </h3>
          )}
          {figures.value === null ? (
            <p class="tone-text-red">Its figures cannot be read. {figures.problem}</p>
          ) : figures.value.length === 0 ? (
            <p class="dim">This store tells no figures.</p>
          ) : (
            <Facts facts={figures.value.map((each) => [each.name, <FigureValue figure={each} />])} />
          )}
        </div>
      ))}
    </Panel>
  );
}

function FigureValue({ figure: { value, unit, limit, note, level } }: { figure: HealthFigure }): JSX.Element {
  const shown = (of: number): string => (unit === 'bytes' ? bytes(of) : count(of));
  const tone = level === 'danger' ? ' tone-text-red' : level === 'warning' ? ' tone-text-amber' : '';
  return (
    <>
      <span class={`num${tone}`}>
        {value === null ? 'unknown' : shown(value)}
        {value !== null && limit !== null && ` of ${shown(limit)}`}
      </span>
      {note !== '' && <span class="figure-note">{note}</span>}
    </>
  );
}

function BrokerLine({ broker }: { broker: Overview['broker'] }): JSX.Element {
  return (
    <>
      {broker.kind ?? 'no broker'} · <code>{broker.url}</code>
    </>
  );
}

function Board({ board }: { board: Overview }): JSX.Element {
  const { minutes, workers, queues, tasks, failures, stores } = board;
  const alive = workers.workers.filter((worker) => worker.alive);
  const isUnknown = workers.asking && workers.workers.length === 0;
  const sum = (key: 'succeeded' | 'failed' | 'retried' | 'sent'): number =>
    minutes.reduce((total, minute) => total + minute[key], 0);
  const ended = sum('succeeded') + sum('failed');
  const perMinute = rateOf(minutes, board.at);
  const waiting = queues.value?.queues.reduce((total, { ready }) => total + ready, 0) ?? null;
  const running = alive.reduce((total, { active }) => total + (active ?? 0), 0);
  const slots = alive.reduce((total, { concurrency }) => total + (concurrency ?? 0), 0);
  const busyMinutes = minutes.map(({ succeeded, failed }) => succeeded + failed);
  return (
    <>
      <Warnings board={board} />
      <div class="tiles">
        <Tile
          label="Throughput"
          value={perMinute < 10 ? perMinute.toFixed(1) : shortCount(perMinute)}
          unit="/ min"
          href={link('/tasks', { q: 'ended:<1h' })}
        >
          <Spark values={busyMinutes} label="Ended tasks of each minute" />
        </Tile>
        <Tile
          label="Failed in the last hour"
          value={shortCount(sum('failed'))}
          unit={ended === 0 ? undefined : share(sum('failed'), ended)}
          tone={sum('failed') > 0 ? 'red' : undefined}
          href={link('/failures', { hours: '1' })}
        >
          <Spark
            values={minutes.map(({ failed }) => failed)}
            label="Failures of each minute"
            tone="red"
            bars
          />
        </Tile>
        <Tile
          label="Waiting"
          value={waiting === null ? '–' : shortCount(waiting)}
          unit={queues.value === null ? undefined : `in ${plural(queues.value.queues.length, 'queue')}`}
          href={link('/queues')}
        >
          <Spark
            values={totalTrend(queues.value?.queues ?? [])}
            label="Waiting messages lately"
            tone="amber"
          />
        </Tile>
        <Tile
          label="Running"
          value={count(running)}
          unit={slots === 0 ? undefined : `of ${count(slots)} slots`}
          href={link('/tasks', { q: 'state:started' })}
        >
          <Meter part={running} whole={slots} label={`${running} of ${slots} slots run a task`} />
        </Tile>
        <Tile
          label="Workers"
          value={isUnknown ? '…' : count(alive.length)}
          unit={
            isUnknown
              ? 'being asked'
              : alive.length === workers.workers.length
                ? 'online'
                : `of ${count(workers.workers.length)} online`
          }
          tone={alive.length < workers.workers.length ? 'amber' : undefined}
          href={link('/workers')}
        >
          <span class="tile-note">{retriedNote(sum('retried'))}</span>
        </Tile>
      </div>
      <Panel title="Last hour" aside={<span class="dim">each bar is a minute</span>}>
        <ActivityChart minutes={minutes} />
      </Panel>
      <div class="columns">
        <Panel title="Queues" flush aside={<a href={link('/queues')}>All queues</a>}>
          {queues.value === null ? (
            <Empty kind="broken" title="The broker is unreachable">
              {queues.problem}
            </Empty>
          ) : (
            <QueueTable queues={queues.value.queues} />
          )}
        </Panel>
        <Panel title="Failures of the last hour" flush aside={<a href={link('/failures')}>All failures</a>}>
          {failures.value === null ? (
            <Empty kind="broken" title="The history cannot be read">
              {failures.problem}
            </Empty>
          ) : failures.value.length === 0 ? (
            <Empty kind="good" title="No failures in the last hour" />
          ) : (
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">Exception</th>
                  <th scope="col" class="right">
                    Times
                  </th>
                  <th scope="col" class="right">
                    Last
                  </th>
                </tr>
              </thead>
              <tbody>
                {failures.value.map((group) => (
                  <tr key={group.key}>
                    <td class="wide-cell">
                      <a class="strong" href={taskLink(group.lastId)}>
                        {group.exception}
                      </a>
                      <span class="second">
                        {group.task} {group.place === null ? '' : `· ${group.place}`}
                      </span>
                    </td>
                    <td class="right num tone-text-red">{count(group.count)}</td>
                    <td class="right">
                      <Time at={group.lastAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Panel>
      </div>
      <StorePanel stores={stores} />
      <Panel title="Tasks of the last hour" flush>
        {tasks.length === 0 ? (
          <Empty kind="nothing" title="Nothing has run in the last hour" />
        ) : (
          <TaskTable tasks={tasks.slice(0, 12)} />
        )}
      </Panel>
    </>
  );
}

/** Ended tasks per minute, in the last five minutes or since the first ended task. */
function rateOf(minutes: Overview['minutes'], now: number): number {
  const lately = minutes.slice(-6);
  const busy = lately.slice(lately.findIndex(({ succeeded, failed }) => succeeded + failed > 0));
  const since = busy[0]?.at ?? now;
  const ended = busy.reduce((total, { succeeded, failed }) => total + succeeded + failed, 0);
  return ended === 0 ? 0 : ended / Math.max(1, (now - since) / 60_000);
}

function retriedNote(retried: number): string {
  return retried === 0
    ? 'no retries in the last hour'
    : `${plural(retried, 'retry', 'retries')} in the last hour`;
}

function totalTrend(queues: readonly { readonly trend: readonly number[] }[]): readonly number[] {
  const length = Math.max(0, ...queues.map(({ trend }) => trend.length));
  return Array.from({ length }, (_, index) =>
    queues.reduce((total, { trend }) => total + (trend[index - length + trend.length] ?? 0), 0),
  );
}

function Tile(props: {
  label: string;
  value: string;
  unit?: string | undefined;
  tone?: string | undefined;
  href: string;
  children: JSX.Element;
}): JSX.Element {
  const { label, value, unit, tone, href, children } = props;
  return (
    <a class="tile" href={href}>
      <span class="tile-label">{label}</span>
      <span class={`tile-value${tone === undefined ? '' : ` tone-text-${tone}`}`}>
        {value}
        {unit !== undefined && <small>{unit}</small>}
      </span>
      <span class="tile-art">{children}</span>
    </a>
  );
}

function Meter({ part, whole, label }: { part: number; whole: number; label: string }): JSX.Element {
  return (
    <span class="meter" role="img" aria-label={label}>
      <i style={{ width: `${whole === 0 ? 0 : Math.min(100, (100 * part) / whole)}%` }} />
    </span>
  );
}

function QueueTable({ queues }: { queues: NonNullable<Overview['queues']['value']>['queues'] }): JSX.Element {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">Queue</th>
          <th scope="col" class="hide-s">
            Last 5 min
          </th>
          <th scope="col" class="right">
            Waiting
          </th>
          <th scope="col" class="right">
            Held
          </th>
          <th scope="col" class="right">
            Workers
          </th>
        </tr>
      </thead>
      <tbody>
        {queues.map(({ name, ready, held, workers, trend }) => (
          <tr key={name}>
            <th scope="row">
              <a href={queueLink(name)}>{name}</a>
            </th>
            <td class="hide-s">
              <Spark values={trend} label={`Waiting in ${name} lately`} tone="amber" />
            </td>
            <td class="right num">{count(ready)}</td>
            <td class="right num">{held === null ? '–' : count(held)}</td>
            <td class={`right num${workers?.length === 0 ? ' tone-text-red' : ''}`}>
              {workers === null ? '?' : count(workers.length)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TaskTable({ tasks }: { tasks: Overview['tasks'] }): JSX.Element {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">Task</th>
          <th scope="col" class="right">
            Succeeded
          </th>
          <th scope="col" class="right">
            Failed
          </th>
          <th scope="col" class="right hide-s">
            Retries
          </th>
          <th scope="col" class="right">
            Runtime p50
          </th>
          <th scope="col" class="right hide-s">
            p95
          </th>
          <th scope="col" class="right hide-s">
            Wait p50
          </th>
          <th scope="col" class="right hide-s">
            p95
          </th>
        </tr>
      </thead>
      <tbody>
        {tasks.map(({ name, succeeded, failed, retried, runtime, wait }) => (
          <tr key={name}>
            <th scope="row">
              <a href={link('/tasks', { q: term('name', name) })}>{name}</a>
            </th>
            <td class="right num">{count(succeeded)}</td>
            <td class={`right num${failed > 0 ? ' tone-text-red' : ''}`}>{count(failed)}</td>
            <td class="right num hide-s">{count(retried)}</td>
            <td class="right num" title={few(runtime)}>
              {duration(runtime?.p50 ?? null)}
            </td>
            <td class="right num hide-s" title={few(runtime)}>
              {duration(runtime?.p95 ?? null)}
            </td>
            <td class="right num hide-s">{duration(wait?.p50 ?? null)}</td>
            <td class="right num hide-s">{duration(wait?.p95 ?? null)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function few(times: { readonly of: number } | null): string | undefined {
  return times === null ? undefined : `of the latest ${plural(times.of, 'run')}`;
}

const silentMs = 60_000;

/** Shows problems only. */
function Warnings({ board }: { board: Overview }): JSX.Element {
  const { workers, queues, history, deadLetters, broker, stores, at } = board;
  const alone =
    queues.value?.queues.filter(
      ({ ready, workers, paused }) => ready > 0 && workers?.length === 0 && paused === null,
    ) ?? [];
  const pausedQueues = queues.value?.queues.filter(({ paused }) => paused !== null) ?? [];
  const away = workers.workers.filter(({ alive }) => !alive);
  const recordedUntil = history.value?.recordedUntil ?? null;
  const dangers = stores.flatMap(({ role, figures }) =>
    (figures.value ?? []).filter(({ level }) => level === 'danger').map((each) => ({ role, ...each })),
  );
  return (
    <div class="warnings">
      {dangers.map(({ role, name, note }) => (
        <Warning key={`${role} ${name}`} tone="red">
          <b>
            {role === 'broker' ? 'The broker' : 'The store of results'}: {name}.
          </b>{' '}
          {note === '' ? 'It is nearly full.' : note}
        </Warning>
      ))}
      {workers.problem !== null && broker.problem === null && (
        <Warning tone="red">
          <b>The workers are unreachable.</b> {workers.problem}
        </Warning>
      )}
      {workers.problem === null && !workers.asking && workers.workers.length === 0 && (
        <Warning>
          <b>No worker replies.</b> Start one: <code>umbel worker</code> or <code>celery worker</code>
        </Warning>
      )}
      {alone.length > 0 && (
        <Warning
          action={
            <a class="button" href={link('/queues')}>
              Queues
            </a>
          }
        >
          <b>No worker serves {alone.map(({ name }) => name).join(', ')}.</b>{' '}
          {plural(
            alone.reduce((sum, { ready }) => sum + ready, 0),
            'message waits',
            'messages wait',
          )}{' '}
          for a worker.
        </Warning>
      )}
      {pausedQueues.length > 0 && (
        <Warning tone="blue">
          <b>{plural(pausedQueues.length, 'queue is', 'queues are')} paused:</b>{' '}
          {pausedQueues.slice(0, 5).map(({ name }) => (
            <span key={name}>
              <a href={queueLink(name)}>{name}</a>{' '}
            </span>
          ))}
        </Warning>
      )}
      {away.length > 0 && (
        <Warning>
          <b>{plural(away.length, 'worker is', 'workers are')} away:</b>{' '}
          {away.slice(0, 5).map(({ name, lastSeenAt }) => (
            <span key={name}>
              <a href={workerLink(name)}>{name}</a> (last seen <Time at={lastSeenAt} />){' '}
            </span>
          ))}
        </Warning>
      )}
      {history.problem !== null && (
        <Warning tone="red">
          <b>The history cannot be read.</b> {history.problem}
        </Warning>
      )}
      {history.value !== null && (recordedUntil === null || at - recordedUntil > silentMs) && (
        <Warning
          action={
            <button type="button" class="button" onClick={() => void switchEventsOn()}>
              Switch events on
            </button>
          }
        >
          <b>No recorder is running{recordedUntil === null ? '' : ' any more'}.</b> Lists of tasks need a
          recorder: <code>umbel recorder</code>
        </Warning>
      )}
      {(deadLetters.value ?? 0) > 0 && (
        <Warning
          action={
            <a class="button" href={link('/dead')}>
              Look at them
            </a>
          }
        >
          <b>{plural(deadLetters.value ?? 0, 'dead letter')}:</b> messages that could not be run wait for a
          decision.
        </Warning>
      )}
    </div>
  );
}

async function switchEventsOn(): Promise<void> {
  await run('Events', () =>
    answer(api.control.$post({ query: {}, json: { workers: null, order: { action: 'enable_events' } } })),
  );
}
