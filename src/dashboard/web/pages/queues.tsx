// Queues: the list, and a queue with the messages that wait in it or that workers hold.
import { Fragment, type JSX } from 'preact';
import type { QueueLine, WaitingLine } from '../../server/pages/queues.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, duration, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { term } from '../query.ts';
import { link, queueLink, search, setSearch, taskLink, workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import { Spark } from '../ui/chart.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Time } from '../ui/time.tsx';
import { PurgeDialog, RescheduleDialog } from './change-waiting.tsx';
import { Held } from './held.tsx';
import { MoveMessagesDialog } from './move-messages.tsx';

export function QueuesPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('queues', () => answer(api.queues.$get()));
  useRefresh(reload, 2_000, 5_000);
  useReloadSoon(value?.asking === true, value, reload);
  const total = (key: 'ready' | 'scheduled' | 'held'): number =>
    value?.queues.reduce((sum, queue) => sum + (queue[key] ?? 0), 0) ?? 0;
  return (
    <>
      <PageHead
        title="Queues"
        sub={
          value === null
            ? undefined
            : `${count(total('ready'))} waiting${value.counts ? `, ${count(total('scheduled'))} scheduled, ${count(total('held'))} held by workers` : ''}`
        }
      />
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {fault !== null && value !== null && (
        <Warning tone="red">
          <b>These figures are old.</b> {fault.message}
        </Warning>
      )}
      {value === null && fault === null && <Loading />}
      {value?.problem != null && (
        <Warning>
          <b>The workers of the queues are unknown.</b> {value.problem}
        </Warning>
      )}
      {value?.counts === false && (
        <Warning tone="blue">This broker does not count scheduled and held messages.</Warning>
      )}
      {value !== null && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col" class="hide-m">
                  Last 5 min
                </th>
                <th scope="col" class="right">
                  Waiting
                </th>
                <th scope="col" class="right hide-s">
                  Scheduled
                </th>
                <th scope="col" class="right hide-s">
                  Held
                </th>
                <th scope="col" class="right hide-m">
                  Oldest
                </th>
                <th scope="col" class="right hide-m">
                  In / out per s
                </th>
                <th scope="col" class="right hide-m">
                  Empty in
                </th>
                <th scope="col" class="hide-s">
                  Workers
                </th>
                <th scope="col" class="right">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.queues.map((queue) => (
                <QueueRow key={queue.name} queue={queue} reload={reload} />
              ))}
            </tbody>
          </table>
          {value.queues.length === 0 && <Empty kind="nothing" title="No queue holds a message" />}
        </div>
      )}
    </>
  );
}

function QueueRow({ queue, reload }: { queue: QueueLine; reload: () => Promise<void> }): JSX.Element {
  const { name, ready, scheduled, held, tasks, trend, paused } = queue;
  return (
    <tr>
      <td class="wide-cell">
        <a class="strong" href={queueLink(name)}>
          {name}
        </a>{' '}
        {paused !== null && <span class="badge tone-amber">paused</span>}
        <span class="second">{tasks.join(', ')}</span>
      </td>
      <td class="hide-m">
        <Spark values={trend} label={`Waiting in ${name} in the last five minutes`} tone="amber" />
      </td>
      <td class="right num">{count(ready)}</td>
      <td class="right num hide-s">{counted(scheduled)}</td>
      <td class="right num hide-s">{counted(held)}</td>
      <td class="right hide-m">
        <Time at={queue.oldestAt} />
      </td>
      <td class="right num hide-m">
        {perSecond(queue.inRate)} / {perSecond(queue.outRate)}
      </td>
      <td class="right num hide-m">
        {emptyIn(queue)}
        {queue.capacity !== null && queue.capacity.more > 0 && (
          <span class="second" title={capacityText(queue) ?? ''}>
            +{count(queue.capacity.more)} slots: {duration((queue.capacity.emptyIn ?? 0) * 1000)}
          </span>
        )}
      </td>
      <td class="hide-s cell-cut">
        <QueueWorkers queue={queue} />
      </td>
      <td class="right">
        <Act needs="pause">
          <PauseButton queue={queue} reload={reload} small />
        </Act>
      </td>
    </tr>
  );
}

/** `most`: more workers are only counted. */
function QueueWorkers({
  queue: { workers, ready },
  most = 1,
}: {
  queue: QueueLine;
  most?: number;
}): JSX.Element {
  if (workers === null) return <span class="dim">unknown</span>;
  if (workers.length === 0) return <span class={`badge ${ready > 0 ? 'tone-red' : 'tone-stone'}`}>none</span>;
  if (workers.length > most)
    return <span title={workers.join('\n')}>{plural(workers.length, 'worker')}</span>;
  return (
    <>
      {workers.map((worker, index) => (
        <Fragment key={worker}>
          {index > 0 && ', '}
          <a class="strong" href={workerLink(worker)}>
            {worker}
          </a>
        </Fragment>
      ))}
    </>
  );
}

/** Null: the broker does not count them. */
function counted(messages: number | null): string {
  return messages === null ? '–' : count(messages);
}

function perSecond(rate: number | null): string {
  return rate === null ? '–' : rate === 0 ? '0' : rate.toFixed(rate < 10 ? 2 : 0);
}

function emptyIn({ ready, inRate, outRate, drainsIn, paused }: QueueLine): string {
  if (ready === 0 || paused !== null) return '–';
  if (drainsIn !== null) return `${inRate === null ? 'at least ' : ''}${duration(drainsIn * 1000)}`;
  return outRate === null ? '–' : 'never';
}

/** When the queue will be empty, in words. */
function forecast({ ready, inRate, outRate, drainsIn, paused }: QueueLine): string {
  if (ready === 0) return 'It is empty.';
  if (paused !== null) return 'It is paused: its messages wait until it is resumed.';
  if (outRate === null) return 'Unknown, because no recorder keeps the history of tasks.';
  if (drainsIn !== null) {
    const time = `Empty in ${duration(drainsIn * 1000)}`;
    return inRate === null
      ? `${time} if no more messages come. How many come is unknown.`
      : `${time} at these rates.`;
  }
  if (outRate === 0) return 'Never at these rates: no task of it has ended in the last five minutes.';
  const growth = Math.round(((inRate ?? 0) - outRate) * 60);
  return growth < 1
    ? 'Never at these rates: as many messages come as go.'
    : `Never at these rates: it grows by ${plural(growth, 'message')} a minute.`;
}

/** How many slots it needs, in words; null: nothing is known. */
function capacityText({ capacity, inRate }: QueueLine): string | null {
  if (capacity === null) return null;
  const { mean, of, slots, free, more, emptyIn: seconds } = capacity;
  const basis = `A task runs ${duration(mean)} on average (${plural(of, 'run')}${of < 20 ? ', so this is a rough guess' : ''})${slots === null ? '' : `; ${plural(slots, 'slot')} serve it`}.`;
  if (more > 0)
    return `${plural(more, 'more slot')} would empty it in about ${duration((seconds ?? 0) * 1000)}${inRate === null ? ', if no more messages come' : ''}. ${basis}`;
  return free !== null && seconds === null
    ? `More slots would not help: ${plural(free, 'slot is', 'slots are')} free now. A limit, a paused task, or workers that do not know its tasks keep the messages.`
    : `Its workers suffice. ${basis}`;
}

/** A queue: `/queues/NAME`. */
export function QueuePage({ name }: { name: string }): JSX.Element {
  const { value, fault, reload } = useLoaded('queues', () => answer(api.queues.$get()));
  useRefresh(reload, 2_000, 5_000);
  useReloadSoon(value?.asking === true, value, reload);
  const parameter = search.value.get('tab');
  const tab = parameter === 'scheduled' || parameter === 'held' ? parameter : 'ready';
  if (value === null) return fault === null ? <Loading /> : <FaultNote isPage fault={fault} retry={reload} />;
  const queue = value.queues.find((each) => each.name === name);
  if (queue === undefined)
    return (
      <Empty kind="broken" isPage title={`There is no queue ${name}`}>
        <a href={link('/queues')}>All queues</a>
      </Empty>
    );
  const { ready, scheduled, held, paused } = queue;
  const slotsNeeded = capacityText(queue);
  const change = search.value.get('change');
  const dialog = { onClose: () => setSearch({ change: null }), onDone: reload };
  return (
    <>
      <PageHead
        title={name}
        sub={
          queue.tasks.length === 0
            ? 'queue'
            : `queue of ${queue.tasks.slice(0, 5).join(', ')}${queue.tasks.length > 5 ? ` and ${queue.tasks.length - 5} more` : ''}`
        }
      >
        <a class="button" href={link('/tasks', { q: term('queue', name) })}>
          Tasks
        </a>
        <Act needs="move">
          <button
            type="button"
            class="button"
            disabled={ready === 0 && scheduled === 0}
            onClick={() => setSearch({ change: 'move' })}
          >
            Move…
          </button>
          <button
            type="button"
            class="button"
            disabled={ready === 0 && scheduled === 0}
            onClick={() => setSearch({ change: 'reschedule' })}
          >
            Reschedule…
          </button>
        </Act>
        <Act needs="pause">
          <PauseButton queue={queue} reload={reload} />
        </Act>
        <Act needs="purge">
          <button
            type="button"
            class="button button-danger"
            disabled={ready === 0 && scheduled === 0}
            onClick={() => setSearch({ change: 'purge' })}
          >
            Purge…
          </button>
        </Act>
      </PageHead>
      {fault !== null && (
        <Warning tone="red">
          <b>These figures are old.</b> {fault.message}
        </Warning>
      )}
      {paused !== null && (
        <Warning>
          <b>
            Paused <Time at={paused.since} /> by {paused.by}
            {paused.reason === '' ? '.' : `: ${paused.reason}`}
          </b>{' '}
          Python Celery workers ignore the pause.
        </Warning>
      )}
      {paused === null && ready > 0 && queue.workers?.length === 0 && (
        <Warning tone="red">
          <b>No worker consumes this queue.</b> Start one: <code>umbel worker -Q {name}</code>
        </Warning>
      )}
      <Panel title="Now">
        <Facts
          facts={[
            ['Oldest waits since', <Time key="oldest" at={queue.oldestAt} />],
            [
              'Last 5 minutes',
              <Spark
                key="trend"
                values={queue.trend}
                label={`Waiting in ${name} in the last five minutes`}
                tone="amber"
              />,
            ],
            ['In per second', perSecond(queue.inRate)],
            ['Out per second', perSecond(queue.outRate)],
            ['Forecast', forecast(queue)],
            ...(slotsNeeded === null ? [] : [['Slots needed', slotsNeeded] as const]),
            ['Workers', <QueueWorkers key="workers" queue={queue} most={20} />],
          ]}
        />
        {queue.inRate === null && (
          <p class="dim queue-note">
            The rate in needs the setting <code>taskSendSentEvent</code> in the programs that send tasks.
          </p>
        )}
      </Panel>
      <Tabs
        label={`Messages of ${name}`}
        current={tab}
        onSelect={(next) => setSearch({ tab: next === 'ready' ? null : next, first: null })}
        tabs={[
          { name: 'ready', label: `Waiting ${count(ready)}` },
          { name: 'scheduled', label: `Scheduled ${counted(scheduled)}` },
          { name: 'held', label: `Held ${counted(held)}` },
        ]}
      >
        {tab === 'held' ? (
          <Held name={name} counted={held} />
        ) : (
          <Waiting key={tab} name={name} place={tab} total={tab === 'ready' ? ready : scheduled} />
        )}
      </Tabs>
      {change === 'move' && (
        <Act needs="move">
          <MoveMessagesDialog from={name} {...dialog} />
        </Act>
      )}
      {change === 'reschedule' && (
        <Act needs="move">
          <RescheduleDialog queue={queue} {...dialog} />
        </Act>
      )}
      {change === 'purge' && (
        <Act needs="purge">
          <PurgeDialog queue={queue} {...dialog} />
        </Act>
      )}
    </>
  );
}

/** `total`: the number of waiting messages; null: unknown. */
function Waiting({
  name,
  place,
  total,
}: {
  name: string;
  place: 'ready' | 'scheduled';
  total: number | null;
}): JSX.Element {
  const first = search.value.get('first') === 'last' ? 'last' : 'next';
  const { value, fault, reload, outdated } = useLoaded(`waiting ${name} ${place} ${first}`, () =>
    answer(api.queues[':name'].waiting.$get({ param: { name }, query: { place, first } })),
  );
  useRefresh(reload, 2_000, 5_000);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  if (value.problem !== null)
    return (
      <Warning tone="blue">
        <b>Waiting messages are not shown.</b> {value.problem}
      </Warning>
    );
  if (value.waiting.length === 0)
    return (
      <Empty kind="nothing" title={place === 'ready' ? 'No message waits' : 'No message is scheduled'} />
    );
  return (
    <>
      <div class="peek-head">
        <fieldset class="segments">
          <legend class="off-screen">Order</legend>
          {(['next', 'last'] as const).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={first === each}
              onClick={() => setSearch({ first: each === 'next' ? null : each })}
            >
              {each === 'next' ? 'First in the queue' : 'Last in the queue'}
            </button>
          ))}
        </fieldset>
        <span class="dim">
          {count(value.waiting.length)}
          {total !== null && total > value.waiting.length ? ` of ${count(total)}` : ''} shown. They stay in
          the queue.
        </span>
      </div>
      <WaitingTable waiting={value.waiting} place={place} outdated={outdated} reload={reload} />
    </>
  );
}

function WaitingTable({
  waiting,
  place,
  outdated,
  reload,
}: {
  waiting: readonly WaitingLine[];
  place: 'ready' | 'scheduled';
  outdated: boolean;
  reload: () => Promise<void>;
}): JSX.Element {
  return (
    <div class={`table-box${outdated ? ' outdated' : ''}`}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col" class="right hide-s narrow-cell">
              Before it
            </th>
            <th scope="col">Task</th>
            <th scope="col" class="right hide-m">
              Priority
            </th>
            <th scope="col" class="hide-m">
              Sent by
            </th>
            <th scope="col" class="right">
              {place === 'ready' ? 'Waits since' : 'Due'}
            </th>
          </tr>
        </thead>
        <tbody>
          {waiting.map((each) => (
            <tr key={each.position}>
              <td class="right num hide-s">{count(each.position)}</td>
              <td class="wide-cell">
                {each.id === null ? (
                  <span class="strong">{each.task ?? 'no task'}</span>
                ) : (
                  <a class="strong" href={taskLink(each.id)}>
                    {each.task}
                  </a>
                )}
                <span class="second">{each.problem ?? each.call}</span>
              </td>
              <td class="right num hide-m">{each.priority ?? '–'}</td>
              <td class="hide-m">{each.origin ?? '–'}</td>
              <td class="right">
                <Time at={place === 'ready' ? each.waitsSince : each.dueAt} />{' '}
                {place === 'scheduled' && each.id !== null && (
                  <Act needs="move">
                    <PromoteButton id={each.id} task={each.task} reload={reload} />
                  </Act>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PromoteButton({
  id,
  task,
  reload,
}: {
  id: string;
  task: string | null;
  reload: () => Promise<void>;
}): JSX.Element {
  return (
    <AskButton
      small
      label={`Run now: ${task ?? id}`}
      ask={() => ({
        title: `Run ${task ?? 'the task'} now`,
        verb: 'Run now',
        effect: <p>It is due at once, and waits behind the messages that are ready.</p>,
        act: async (why) => {
          const { done } = await answer(
            api.waiting.promote.$post({ query: why, json: { which: { ids: [id] }, dryRun: false } }),
          );
          await reload();
          return done.includes(id) ? 'It is ready.' : 'It does not wait any more.';
        },
      })}
    >
      Run now…
    </AskButton>
  );
}

interface QueueButton {
  readonly queue: QueueLine;
  readonly reload: () => Promise<void>;
}

function PauseButton({
  queue: { name, paused, ready },
  reload,
  small = false,
}: QueueButton & { small?: boolean }): JSX.Element {
  const word = paused === null ? 'Pause' : 'Resume';
  return (
    <AskButton
      small={small}
      label={`${word} ${name}`}
      ask={() => ({
        title: `${word} ${name}`,
        verb: word,
        effect:
          paused === null ? (
            <>
              <p>
                Workers take no more messages of this queue until it is resumed, even after restarts.{' '}
                <b>{ready === 0 ? 'No message' : plural(ready, 'message')}</b> {ready <= 1 ? 'waits' : 'wait'}{' '}
                now.
              </p>
              <p>
                Tasks that run now, and tasks that a worker has claimed, finish. Python Celery workers ignore
                the pause.
              </p>
            </>
          ) : (
            <p>
              Workers take its messages again. <b>{ready === 0 ? 'No message' : plural(ready, 'message')}</b>{' '}
              {ready <= 1 ? 'waits' : 'wait'} now.
            </p>
          ),
        act: async (why) => {
          const call = { query: why, param: { name } };
          const outcome = await answer(
            paused === null ? api.queues[':name'].pause.$post(call) : api.queues[':name'].resume.$post(call),
          );
          await reload();
          return outcome.replies.length + outcome.silent.length > 0
            ? outcome
            : 'Done. No worker replied; workers notice it within ten seconds.';
        },
      })}
    >
      {word}…
    </AskButton>
  );
}
