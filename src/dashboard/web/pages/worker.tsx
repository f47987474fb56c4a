// The page of a worker: Flower's eight tabs, and remote control.
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PagePart } from '../../server/pages/part.ts';
import type { TaskLimits, TaskOfWorker, WorkerDetail } from '../../server/pages/worker-details.ts';
import type { WorkerOrder } from '../../server/pages/workers.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, duration, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { link, navigate, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { confirm, run, type Why } from '../ui/dialog.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Time } from '../ui/time.tsx';
import { Value } from '../ui/value.tsx';
import { Busy, WorkerStatus } from './workers.tsx';

const tabs = ['pool', 'broker', 'queues', 'tasks', 'limits', 'config', 'system', 'other'] as const;
type TabName = (typeof tabs)[number];

type JsonRecord = Readonly<Record<string, unknown>>;

export function WorkerPage({ name }: { name: string }): JSX.Element {
  const loaded = useLoaded(`worker ${name}`, () => answer(api.workers[':name'].$get({ param: { name } })));
  const { fault, reload } = loaded;
  const detail = loaded.value as WorkerDetail | null; // the route's type; hono's JSON type is not deep enough
  useRefresh(reload, 3_000, 10_000);
  useReloadSoon(detail?.asking === true, detail, reload);
  const parameter = search.value.get('tab');
  const tab: TabName = tabs.find((each) => each === parameter) ?? 'pool';
  if (detail === null)
    return fault === null ? <Loading rows={10} /> : <FaultNote isPage fault={fault} retry={reload} />;
  const { summary } = detail;
  const sendCommand = (title: string, order: WorkerOrder): Promise<void> =>
    run(title, () => send(name, order)).then(() => reload());
  return (
    <>
      <PageHead
        title={
          <span class="title-row">
            {name} <WorkerStatus worker={summary} />
          </span>
        }
        sub={
          <span class="sub-row">
            {summary.software ?? 'unknown software'}
            {summary.uptime !== null && <> · up {duration(summary.uptime * 1000)}</>}
            {summary.active !== null && (
              <>
                {' '}
                · <Busy active={summary.active} concurrency={summary.concurrency} />
              </>
            )}
            {detail.at !== null && (
              <>
                {' '}
                · asked <Time at={detail.at} />
              </>
            )}
          </span>
        }
      >
        <a class="button" href={link('/tasks', { q: `worker:${name}` })}>
          Its tasks
        </a>
        <Act needs="events">
          <button
            type="button"
            class="button"
            onClick={() => void sendCommand('Events', { action: 'enable_events' })}
          >
            Events on
          </button>
        </Act>
        <Act needs="shutdown">
          <button type="button" class="button button-danger" onClick={() => askToShutDown(detail)}>
            Shut down…
          </button>
        </Act>
      </PageHead>
      {summary.answered === false && (
        <Warning>
          <b>It did not answer within a second.</b>{' '}
          {summary.alive ? (
            'It sends heartbeats: its event loop may be busy.'
          ) : (
            <>
              Last seen <Time at={summary.lastSeenAt} />.
            </>
          )}
        </Warning>
      )}
      {summary.lastSeenAt === null && summary.answered === true && (
        <Warning
          tone="blue"
          action={
            <button
              type="button"
              class="button"
              onClick={() => void sendCommand('Events', { action: 'enable_events' })}
            >
              Switch on
            </button>
          }
        >
          <b>Its events are off:</b> it answers, but tells nothing of its tasks.
        </Warning>
      )}
      <Tabs
        label={`About ${name}`}
        current={tab}
        onSelect={(next) => setSearch({ tab: next })}
        tabs={tabs.map((each) => ({ name: each, label: each.charAt(0).toUpperCase() + each.slice(1) }))}
      >
        {detail.at === null ? <Loading /> : <Tab tab={tab} detail={detail} sendCommand={sendCommand} />}
      </Tabs>
    </>
  );
}

type SendCommand = (title: string, order: WorkerOrder) => Promise<void>;

function send(worker: string, order: WorkerOrder, why: Why = {}) {
  return answer(api.control.$post({ query: why, json: { workers: [worker], order } }));
}

function Tab({
  tab,
  detail,
  sendCommand,
}: {
  tab: TabName;
  detail: WorkerDetail;
  sendCommand: SendCommand;
}): JSX.Element {
  switch (tab) {
    case 'pool':
      return <PoolTab detail={detail} sendCommand={sendCommand} />;
    case 'broker':
      return (
        <Known part={detail.stats}>
          {(stats) => <RecordFacts values={recordOf(stats.broker)} title="Connection" />}
        </Known>
      );
    case 'queues':
      return <QueuesTab detail={detail} sendCommand={sendCommand} />;
    case 'tasks':
      return <TasksTab detail={detail} />;
    case 'limits':
      return <LimitsTab detail={detail} sendCommand={sendCommand} />;
    case 'config':
      return (
        <Known part={detail.conf}>{(conf) => <RecordFacts values={conf} title="Settings" sorted />}</Known>
      );
    case 'system':
      return (
        <Known part={detail.stats}>
          {(stats) => <RecordFacts values={recordOf(stats.rusage)} title="Resources" />}
        </Known>
      );
    case 'other':
      return (
        <Known part={detail.stats}>
          {(stats) => (
            <RecordFacts
              title="Other"
              values={Object.fromEntries(
                Object.entries(stats).filter(
                  ([key]) => !['broker', 'rusage', 'pool', 'total', 'autoscaler'].includes(key),
                ),
              )}
            />
          )}
        </Known>
      );
  }
}

/** Shows a part of the page, or the problem that prevented its loading. */
function Known<Value>({
  part,
  children,
}: {
  part: PagePart<Value>;
  children: (value: Value) => ComponentChildren;
}): JSX.Element {
  if (part.value === null)
    return (
      <Empty kind="broken" title="Not known">
        {part.problem}
      </Empty>
    );
  return <>{children(part.value)}</>;
}

function recordOf(value: unknown): JsonRecord {
  return typeof value === 'object' && value !== null ? (value as JsonRecord) : {}; // any object has this type
}

function RecordFacts({
  values,
  title,
  sorted = false,
}: {
  values: JsonRecord;
  title: string;
  sorted?: boolean;
}): JSX.Element {
  const entries = Object.entries(values);
  if (sorted) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <Panel title={title}>
      <Facts
        facts={entries.map(([key, value]) => [
          key,
          typeof value === 'object' && value !== null ? (
            <Value what={key} value={value} />
          ) : (
            <span class="num">{value === null || value === undefined ? '–' : String(value)}</span>
          ),
        ])}
      />
    </Panel>
  );
}

function PoolTab({ detail, sendCommand }: { detail: WorkerDetail; sendCommand: SendCommand }): JSX.Element {
  const [by, setBy] = useState('1');
  const stats: JsonRecord = detail.stats.value ?? {};
  const autoscaler = stats.autoscaler === undefined ? null : recordOf(stats.autoscaler);
  const [min, setMin] = useState<string | null>(null);
  const [max, setMax] = useState<string | null>(null);
  const n = Math.max(1, Math.min(1_000, Math.floor(Number(by)) || 1));
  const range = {
    min: Number(min ?? autoscaler?.min ?? 1),
    max: Number(max ?? autoscaler?.max ?? detail.summary.concurrency ?? 1),
  };
  return (
    <div class="columns">
      <Known part={detail.stats}>
        {(values) => (
          <RecordFacts
            title="Pool"
            values={{
              ...recordOf(values.pool),
              pid: values.pid,
              prefetch_count: values.prefetch_count,
              ...(autoscaler && { autoscaler }),
            }}
          />
        )}
      </Known>
      <Act needs="workers">
        <Panel title="Size">
          <div class="form-row">
            <label class="field field-short">
              <span>Slots</span>
              <input
                type="number"
                min="1"
                max="1000"
                value={by}
                onInput={(event) => setBy(event.currentTarget.value)}
              />
            </label>
            <button
              type="button"
              class="button"
              onClick={() => void sendCommand('Grow the pool', { action: 'pool_grow', n })}
            >
              Grow
            </button>
            <button
              type="button"
              class="button"
              onClick={() => void sendCommand('Shrink the pool', { action: 'pool_shrink', n })}
            >
              Shrink
            </button>
          </div>
          <form
            class="form-row"
            onSubmit={(event) => {
              event.preventDefault();
              void sendCommand('Autoscale', { action: 'autoscale', ...range });
            }}
          >
            <label class="field field-short">
              <span>At least</span>
              <input
                type="number"
                min="1"
                max="1000"
                value={range.min}
                onInput={(event) => setMin(event.currentTarget.value)}
              />
            </label>
            <label class="field field-short">
              <span>At most</span>
              <input
                type="number"
                min="1"
                max="1000"
                value={range.max}
                onInput={(event) => setMax(event.currentTarget.value)}
              />
            </label>
            <button type="submit" class="button" disabled={!(range.min >= 1 && range.max >= range.min)}>
              Autoscale
            </button>
          </form>
          <p class="dim">
            {autoscaler === null
              ? 'Autoscaling is off: the worker was started without --autoscale, and will refuse this.'
              : 'The worker chooses its size within these bounds; growing and shrinking by hand is refused.'}
          </p>
          <div class="form-row">
            <button
              type="button"
              class="button"
              onClick={() =>
                confirm({
                  title: 'Restart the pool',
                  verb: 'Restart',
                  danger: true,
                  effect: (
                    <p>
                      The processes of the pool are replaced;{' '}
                      {plural(detail.active.value?.length ?? 0, 'running task')} may end and run again.
                      Python’s workers allow it with <code>worker_pool_restarts</code>.
                    </p>
                  ),
                  act: (why) => send(detail.summary.name, { action: 'pool_restart' }, why),
                })
              }
            >
              Restart the pool…
            </button>
          </div>
        </Panel>
      </Act>
    </div>
  );
}

function QueuesTab({ detail, sendCommand }: { detail: WorkerDetail; sendCommand: SendCommand }): JSX.Element {
  const [queue, setQueue] = useState('');
  const { name } = detail.summary;
  return (
    <Panel title="Queues that it serves" flush>
      <Known part={detail.queues}>
        {(queues) => (
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col" class="hide-s">
                  Routing key
                </th>
                <th scope="col" class="hide-s">
                  Exchange
                </th>
                <th scope="col" class="hide-m">
                  Durable
                </th>
                <th scope="col" class="hide-m">
                  Exclusive
                </th>
                <th scope="col" class="hide-m">
                  Auto-delete
                </th>
                <th scope="col" class="right">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {queues.map((values) => {
                const own = String(values.name);
                return (
                  <tr key={own}>
                    <th scope="row">{own}</th>
                    <td class="hide-s">{String(values.routing_key ?? '–')}</td>
                    <td class="hide-s">{String(recordOf(values.exchange).name || '–')}</td>
                    <td class="hide-m">{yesNo(values.durable)}</td>
                    <td class="hide-m">{yesNo(values.exclusive)}</td>
                    <td class="hide-m">{yesNo(values.auto_delete)}</td>
                    <td class="right">
                      <Act needs="workers">
                        <button
                          type="button"
                          class="button button-small"
                          onClick={() =>
                            confirm({
                              title: `Stop serving ${own}`,
                              verb: 'Stop',
                              danger: true,
                              effect: (
                                <p>
                                  <b>{name}</b> takes no more from <b>{own}</b>. What it holds, it finishes.
                                </p>
                              ),
                              act: (why) => send(name, { action: 'cancel_consumer', queue: own }, why),
                            })
                          }
                        >
                          Cancel…
                        </button>
                      </Act>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </Known>
      <Act needs="workers">
        <form
          class="form-row form-foot"
          onSubmit={(event) => {
            event.preventDefault();
            void sendCommand(`Serve ${queue}`, { action: 'add_consumer', queue }).then(() => setQueue(''));
          }}
        >
          <label class="field">
            <span>Serve another queue</span>
            <input
              value={queue}
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => setQueue(event.currentTarget.value.trim())}
            />
          </label>
          <button type="submit" class="button" disabled={queue === ''}>
            Add
          </button>
        </form>
      </Act>
    </Panel>
  );
}

function yesNo(value: unknown): string {
  return value === true ? 'yes' : value === false ? 'no' : '–';
}

function TasksTab({ detail }: { detail: WorkerDetail }): JSX.Element {
  const { active, reserved, scheduled, revoked, stats } = detail;
  const total = Object.entries(recordOf(stats.value?.total));
  return (
    <div class="stack">
      <TaskOfWorkers title="Running" part={active} empty="It runs nothing now." terminable />
      <TaskOfWorkers title="Reserved" part={reserved} empty="It holds nothing that it has not begun." />
      <TaskOfWorkers title="Scheduled" part={scheduled} empty="Nothing waits for its time here." />
      <div class="columns">
        <Panel title="Processed" flush>
          {total.length === 0 ? (
            <Empty kind="nothing" title="Nothing yet" />
          ) : (
            <table class="table">
              <tbody>
                {total
                  .sort((a, b) => Number(b[1]) - Number(a[1]))
                  .map(([name, number]) => (
                    <tr key={name}>
                      <th scope="row">
                        <a href={link('/tasks', { q: `name:${name} worker:${detail.summary.name}` })}>
                          {name}
                        </a>
                      </th>
                      <td class="right num">{count(Number(number))}</td>
                    </tr>
                  ))}
              </tbody>
            </table>
          )}
        </Panel>
        <Panel title="Revoked ids">
          <Known part={revoked}>
            {(ids) =>
              ids.length === 0 ? (
                <span class="dim">None.</span>
              ) : (
                <ul class="plain mono">
                  {ids.slice(0, 100).map((id) => (
                    <li key={id}>
                      <a href={taskLink(id)}>{id}</a>
                    </li>
                  ))}
                  {ids.length > 100 && <li class="dim">and {plural(ids.length - 100, 'more', 'more')}</li>}
                </ul>
              )
            }
          </Known>
        </Panel>
      </div>
    </div>
  );
}

function TaskOfWorkers(props: {
  title: string;
  part: PagePart<readonly TaskOfWorker[]>;
  empty: string;
  terminable?: boolean;
}): JSX.Element {
  const { title, part, empty, terminable = false } = props;
  return (
    <Panel
      title={title}
      flush
      aside={part.value !== null && <span class="num dim">{count(part.value.length)}</span>}
    >
      <Known part={part}>
        {(tasks) =>
          tasks.length === 0 ? (
            <p class="pad dim">{empty}</p>
          ) : (
            <table class="table">
              <tbody>
                {tasks.map((task) => (
                  <tr key={task.id}>
                    <td class="wide-cell">
                      <a class="strong" href={taskLink(task.id)}>
                        {task.name}
                      </a>
                      <span class="second mono">
                        {task.args} {task.kwargs}
                      </span>
                    </td>
                    <td class="right hide-s dim num">{task.pid === null ? '' : `pid ${task.pid}`}</td>
                    <td class="right">
                      <Time at={task.startedAt ?? (task.eta === null ? null : Date.parse(task.eta))} />
                    </td>
                    <td class="right">
                      <Act needs="revoke">
                        <button
                          type="button"
                          class="button button-small"
                          onClick={() =>
                            confirm({
                              title: `${terminable ? 'Terminate' : 'Revoke'} ${task.name}`,
                              verb: terminable ? 'Terminate' : 'Revoke',
                              danger: true,
                              effect: (
                                <p>
                                  {terminable
                                    ? 'It runs now and is ended at once; what it has done so far stays done.'
                                    : 'It has not begun. It ends as REVOKED and is not run.'}
                                </p>
                              ),
                              act: (why) =>
                                answer(
                                  api.tasks.revoke.$post({
                                    query: why,
                                    json: { ids: [task.id], terminate: terminable, signal: 'SIGTERM' },
                                  }),
                                ),
                            })
                          }
                        >
                          {terminable ? 'Terminate…' : 'Revoke…'}
                        </button>
                      </Act>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Known>
    </Panel>
  );
}

function LimitsTab({ detail, sendCommand }: { detail: WorkerDetail; sendCommand: SendCommand }): JSX.Element {
  return (
    <Panel title="Tasks that it can run, and their limits" flush>
      <Known part={detail.registered}>
        {(tasks) =>
          tasks.length === 0 ? (
            <p class="pad dim">It has no tasks.</p>
          ) : (
            <table class="table table-stack">
              <thead>
                <tr>
                  <th scope="col">Task</th>
                  <th scope="col">Rate</th>
                  <th scope="col">Soft and hard time limit</th>
                </tr>
              </thead>
              <tbody>
                {tasks.map((task) => (
                  <LimitRow
                    key={`${task.name} ${task.rateLimit} ${task.softTimeLimit} ${task.timeLimit}`}
                    task={task}
                    sendCommand={sendCommand}
                  />
                ))}
              </tbody>
            </table>
          )
        }
      </Known>
    </Panel>
  );
}

function LimitRow({ task, sendCommand }: { task: TaskLimits; sendCommand: SendCommand }): JSX.Element {
  const [rate, setRate] = useState(task.rateLimit ?? '');
  const [soft, setSoft] = useState(task.softTimeLimit?.toString() ?? '');
  const [hard, setHard] = useState(task.timeLimit?.toString() ?? '');
  const seconds = (text: string): number | null => (text.trim() === '' ? null : Number(text));
  return (
    <tr>
      <th scope="row" class="wide-cell">
        {task.name}
      </th>
      <td>
        <form
          class="form-row form-inline"
          onSubmit={(event) => {
            event.preventDefault();
            void sendCommand(`Rate limit of ${task.name}`, {
              action: 'rate_limit',
              task: task.name,
              rate: rate.trim() === '' ? '0' : rate.trim(),
            });
          }}
        >
          <input
            class="short"
            aria-label={`Rate limit of ${task.name}, such as 10/m; empty: none`}
            placeholder="none"
            value={rate}
            onInput={(event) => setRate(event.currentTarget.value)}
          />
          <Act needs="workers">
            <button type="submit" class="button button-small">
              Set
            </button>
          </Act>
        </form>
      </td>
      <td>
        <form
          class="form-row form-inline"
          onSubmit={(event) => {
            event.preventDefault();
            // Both limits: a worker removes the limit that the command does not have.
            void sendCommand(`Time limits of ${task.name}`, {
              action: 'time_limit',
              task: task.name,
              soft: seconds(soft),
              hard: seconds(hard),
            });
          }}
        >
          <input
            class="short"
            type="number"
            min="0.1"
            step="any"
            aria-label={`Soft time limit of ${task.name}, seconds`}
            placeholder="soft s"
            value={soft}
            onInput={(event) => setSoft(event.currentTarget.value)}
          />
          <input
            class="short"
            type="number"
            min="0.1"
            step="any"
            aria-label={`Hard time limit of ${task.name}, seconds`}
            placeholder="hard s"
            value={hard}
            onInput={(event) => setHard(event.currentTarget.value)}
          />
          <Act needs="workers">
            <button type="submit" class="button button-small">
              Set
            </button>
          </Act>
        </form>
      </td>
    </tr>
  );
}

function askToShutDown({ summary, active }: WorkerDetail): void {
  const { name, queues } = summary;
  const running = active.value?.length ?? summary.active ?? 0;
  confirm({
    title: `Shut down ${name}`,
    verb: 'Shut down',
    danger: true,
    type: name,
    effect: (
      <>
        <p>
          It finishes{' '}
          {running === 0 ? 'what it runs (nothing now)' : <b>{plural(running, 'running task')}</b>}, gives
          back what it has not begun, and ends. Whoever started it has to start it again.
        </p>
        {queues !== null && queues.length > 0 && <p>It serves {queues.join(', ')}.</p>}
      </>
    ),
    act: async (why) => {
      await send(name, { action: 'shutdown' }, why);
      navigate(link('/workers'));
      return 'Shutdown requested. Workers do not reply to it; the worker will go offline.';
    },
  });
}
