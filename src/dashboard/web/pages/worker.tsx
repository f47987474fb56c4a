// The page of a worker: Flower's eight tabs, and remote control.
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PagePart } from '../../server/pages/part.ts';
import type { TaskLimits, TaskOfWorker, WorkerDetail } from '../../server/pages/worker-details.ts';
import type { ControlOutcome, WorkerOrder } from '../../server/pages/workers.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, duration, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { term } from '../query.ts';
import { link, navigate, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import type { Question } from '../ui/confirm.tsx';
import { run, type Why } from '../ui/dialog.tsx';
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
  const send: SendOrder = async (order, why = {}) => {
    const outcome = await answer(api.control.$post({ query: why, json: { workers: [name], order } }));
    await reload();
    return outcome;
  };
  const switchOn = (text: string): JSX.Element => (
    <OrderButton title="Events" order={{ action: 'enable_events' }} send={send}>
      {text}
    </OrderButton>
  );
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
        <a class="button" href={link('/tasks', { q: term('worker', name) })}>
          Its tasks
        </a>
        <Act needs="events">{switchOn('Events on')}</Act>
        <Act needs="shutdown">
          <AskButton look="danger" ask={() => toShutDown(detail, send)}>
            Shut down…
          </AskButton>
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
        <Warning tone="blue" action={<Act needs="events">{switchOn('Switch on')}</Act>}>
          <b>Its events are off:</b> it answers, but tells nothing of its tasks.
        </Warning>
      )}
      <Tabs
        label={`About ${name}`}
        current={tab}
        onSelect={(next) => setSearch({ tab: next })}
        tabs={tabs.map((each) => ({ name: each, label: each.charAt(0).toUpperCase() + each.slice(1) }))}
      >
        {detail.at === null ? <Loading /> : <Tab tab={tab} detail={detail} send={send} reload={reload} />}
      </Tabs>
    </>
  );
}

/** Sends the worker a command, and asks it again. */
type SendOrder = (order: WorkerOrder, why?: Why) => Promise<ControlOutcome>;

interface TabProps {
  readonly detail: WorkerDetail;
  readonly send: SendOrder;
}

/** A button whose command takes nothing away, and needs no question. */
function OrderButton({
  title,
  order,
  send,
  children,
}: {
  title: string;
  order: WorkerOrder;
  send: SendOrder;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <button type="button" class="button" onClick={() => void run(title, () => send(order))}>
      {children}
    </button>
  );
}

function Tab({
  tab,
  detail,
  send,
  reload,
}: TabProps & { tab: TabName; reload: () => Promise<void> }): JSX.Element {
  switch (tab) {
    case 'pool':
      return <PoolTab detail={detail} send={send} />;
    case 'broker':
      return (
        <Known part={detail.stats}>
          {(stats) => <RecordFacts values={recordOf(stats.broker)} title="Connection" />}
        </Known>
      );
    case 'queues':
      return <QueuesTab detail={detail} send={send} />;
    case 'tasks':
      return <TasksTab detail={detail} reload={reload} />;
    case 'limits':
      return <LimitsTab detail={detail} send={send} />;
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

function PoolTab({ detail, send }: TabProps): JSX.Element {
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
            <OrderButton title="Grow the pool" order={{ action: 'pool_grow', n }} send={send}>
              Grow
            </OrderButton>
            <OrderButton title="Shrink the pool" order={{ action: 'pool_shrink', n }} send={send}>
              Shrink
            </OrderButton>
          </div>
          <form
            class="form-row"
            onSubmit={(event) => {
              event.preventDefault();
              void run('Autoscale', () => send({ action: 'autoscale', ...range }));
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
          <p class="form-note">
            {autoscaler === null
              ? 'Autoscaling is off: the worker was started without --autoscale, and will refuse this.'
              : 'The worker chooses its size within these bounds; growing and shrinking by hand is refused.'}
          </p>
          <div class="form-row">
            <AskButton
              ask={() => ({
                title: 'Restart the pool',
                verb: 'Restart',
                danger: true,
                effect: (
                  <p>
                    Each process of the pool is replaced when it has ended its task:{' '}
                    {plural(detail.active.value?.length ?? 0, 'task')} now. One that is idle waits for its
                    next task. Python’s workers allow it with <code>worker_pool_restarts</code>.
                  </p>
                ),
                act: (why) => send({ action: 'pool_restart' }, why),
              })}
            >
              Restart the pool…
            </AskButton>
          </div>
        </Panel>
      </Act>
    </div>
  );
}

function QueuesTab({ detail, send }: TabProps): JSX.Element {
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
                        <AskButton
                          small
                          label={`Cancel ${own}`}
                          ask={() => ({
                            title: `Stop serving ${own}`,
                            verb: 'Stop',
                            danger: true,
                            effect: (
                              <p>
                                <b>{name}</b> takes no more from <b>{own}</b>. What it holds, it finishes.
                              </p>
                            ),
                            act: (why) => send({ action: 'cancel_consumer', queue: own }, why),
                          })}
                        >
                          Cancel…
                        </AskButton>
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
            void run(`Serve ${queue}`, () => send({ action: 'add_consumer', queue })).then(() =>
              setQueue(''),
            );
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

function TasksTab({ detail, reload }: { detail: WorkerDetail; reload: () => Promise<void> }): JSX.Element {
  const { active, reserved, scheduled, revoked, stats } = detail;
  const total = Object.entries(recordOf(stats.value?.total));
  return (
    <div class="stack">
      <TaskOfWorkers title="Running" part={active} empty="It runs nothing now." reload={reload} terminable />
      <TaskOfWorkers
        title="Reserved"
        part={reserved}
        empty="It holds nothing that it has not begun."
        reload={reload}
      />
      <TaskOfWorkers
        title="Scheduled"
        part={scheduled}
        empty="Nothing waits for its time here."
        reload={reload}
      />
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
                        <a
                          href={link('/tasks', {
                            q: `${term('name', name)} ${term('worker', detail.summary.name)}`,
                          })}
                        >
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
  reload: () => Promise<void>;
  terminable?: boolean;
}): JSX.Element {
  const { title, part, empty, reload, terminable = false } = props;
  const verb = terminable ? 'Terminate' : 'Revoke';
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
                        <AskButton
                          small
                          label={`${verb} ${task.name} ${task.id}`}
                          ask={() => ({
                            title: `${verb} ${task.name}`,
                            verb,
                            danger: true,
                            effect: (
                              <p>
                                {terminable
                                  ? 'It runs now and is ended at once; what it has done so far stays done.'
                                  : 'It has not begun. It ends as REVOKED and is not run.'}
                              </p>
                            ),
                            act: async (why) => {
                              const json = { ids: [task.id], terminate: terminable, signal: 'SIGTERM' };
                              const outcome = await answer(api.tasks.revoke.$post({ query: why, json }));
                              await reload();
                              return outcome;
                            },
                          })}
                        >
                          {verb}…
                        </AskButton>
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

function LimitsTab({ detail, send }: TabProps): JSX.Element {
  return (
    <Panel title="Tasks that it can run, and their limits" flush>
      {detail.summary.software?.startsWith('py-celery') && (
        <p class="pad dim">
          Python’s workers set changed time limits at once, but heed them only after they have connected to
          the broker again. Rate limits count at once.
        </p>
      )}
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
                  <tr key={task.name}>
                    <th scope="row" class="wide-cell">
                      {task.name}
                    </th>
                    <td>
                      <RateForm key={task.rateLimit} task={task} send={send} />
                    </td>
                    <td>
                      <TimesForm key={`${task.softTimeLimit} ${task.timeLimit}`} task={task} send={send} />
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

interface LimitProps {
  readonly task: TaskLimits;
  readonly send: SendOrder;
}

/** The forms of a task are apart: what is typed in one stays when the other has changed the worker. */
function RateForm({ task: { name, rateLimit }, send }: LimitProps): JSX.Element {
  const [rate, setRate] = useState(rateLimit ?? '');
  return (
    <LimitForm
      title={`Rate limit of ${name}`}
      order={() => ({ action: 'rate_limit', task: name, rate: rate.trim() === '' ? '0' : rate.trim() })}
      send={send}
    >
      <input
        class="short"
        aria-label={`Rate limit of ${name}, such as 10/m; empty: none`}
        placeholder="none"
        value={rate}
        onInput={(event) => setRate(event.currentTarget.value)}
      />
    </LimitForm>
  );
}

function TimesForm({ task: { name, softTimeLimit, timeLimit }, send }: LimitProps): JSX.Element {
  const [soft, setSoft] = useState(softTimeLimit?.toString() ?? '');
  const [hard, setHard] = useState(timeLimit?.toString() ?? '');
  const seconds = (text: string): number | null => (text.trim() === '' ? null : Number(text));
  return (
    <LimitForm
      title={`Time limits of ${name}`}
      // Both limits: a worker removes the limit that the command does not have.
      order={() => ({ action: 'time_limit', task: name, soft: seconds(soft), hard: seconds(hard) })}
      send={send}
    >
      <SecondsInput label={`Soft time limit of ${name}`} hint="soft s" value={soft} onInput={setSoft} />
      <SecondsInput label={`Hard time limit of ${name}`} hint="hard s" value={hard} onInput={setHard} />
    </LimitForm>
  );
}

function LimitForm({
  title,
  order,
  send,
  children,
}: {
  title: string;
  order: () => WorkerOrder;
  send: SendOrder;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <form
      class="form-row form-inline"
      onSubmit={(event) => {
        event.preventDefault();
        void run(title, () => send(order()));
      }}
    >
      {children}
      <Act needs="workers">
        <button type="submit" class="button button-small">
          Set
        </button>
      </Act>
    </form>
  );
}

function SecondsInput(props: {
  label: string;
  hint: string;
  value: string;
  onInput: (text: string) => void;
}): JSX.Element {
  const { label, hint, value, onInput } = props;
  return (
    <input
      class="short"
      type="number"
      min="0.1"
      step="any"
      aria-label={`${label}, seconds`}
      placeholder={hint}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

function toShutDown({ summary, active }: WorkerDetail, send: SendOrder): Question {
  const { name, queues } = summary;
  const running = active.value?.length ?? summary.active ?? 0;
  return {
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
      await send({ action: 'shutdown' }, why);
      navigate(link('/workers'));
      return 'Shutdown requested. Workers do not reply to it; the worker will go offline.';
    },
  };
}
