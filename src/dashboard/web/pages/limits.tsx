// Limits that all workers share, and the locks of unique tasks.
import type { JSX } from 'preact';
import type { LimitLine, LockLine } from '../../server/pages/limits.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { link, search, setSearch, taskLink, workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import type { Question } from '../ui/confirm.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { type Tab, Tabs } from '../ui/tabs.tsx';
import { Time } from '../ui/time.tsx';
import { Told } from '../ui/told.tsx';

const tabs: readonly Tab<'limits' | 'locks'>[] = [
  { name: 'limits', label: 'Limits' },
  { name: 'locks', label: 'Unique locks' },
];

export function LimitsPage(): JSX.Element {
  const tab = search.value.get('tab') === 'locks' ? 'locks' : 'limits';
  return (
    <>
      <PageHead
        title="Limits and locks"
        sub="What all workers share: rates and concurrency, and the locks of unique tasks"
      />
      <Tabs
        tabs={tabs}
        current={tab}
        label="Limits and locks"
        onSelect={(name) => setSearch({ tab: name === 'limits' ? null : name }, false)}
      >
        {tab === 'limits' ? <Limits /> : <Locks />}
      </Tabs>
    </>
  );
}

function Limits(): JSX.Element {
  const { value, fault, reload } = useLoaded('limits', () => answer(api.limits.$get()));
  useRefresh(reload, 2_000, 5_000);
  const isHeld = value?.limits?.some(({ inUse }) => inUse > 0) ?? false;
  useReloadSoon(isHeld && value?.told.asking === true, value, reload);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  if (value.limits === null)
    return (
      <Empty kind="nothing" title="No store here keeps limits">
        <p>Neither the broker nor the results of this application can. Redis and the embedded store do.</p>
      </Empty>
    );
  return (
    <>
      {value.more && (
        <Warning>
          <b>Not all counters are shown.</b> More than {count(value.limits.length)} are in use.
        </Warning>
      )}
      {value.limits.length === 0 ? (
        <Empty kind="nothing" title="No limit is in use">
          <p>
            A task has one by <code>{"concurrency: { limit: 5, key: 'tenant' }"}</code> or{' '}
            <code>{"rateLimit: { limit: '100/m' }"}</code>, a queue by the setting <code>queueLimits</code>.
          </p>
          {!value.hasRules && (
            <p>
              Limits that nobody uses are listed if the dashboard loads the application’s code:{' '}
              <code>-A</code>.
            </p>
          )}
        </Empty>
      ) : (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Limit</th>
                <th scope="col" class="hide-s">
                  Rule
                </th>
                <th scope="col" class="right">
                  In use
                </th>
                <th scope="col" class="hide-s">
                  Held by
                </th>
                <th scope="col" class="right">
                  Waiting
                </th>
              </tr>
            </thead>
            <tbody>
              {value.limits.map((limit) => (
                <LimitRow
                  key={`${limit.kind} ${limit.name} ${limit.value}`}
                  limit={limit}
                  toldAt={value.told.at}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {isHeld && <Told told={value.told}>What they run is missing here.</Told>}
    </>
  );
}

const shownEach = 4;

function LimitRow({ limit: line, toldAt }: { limit: LimitLine; toldAt: number | null }): JSX.Element {
  const { kind, name, value, limit, of, inUse, holders, waiting, waiters, nextAt, reserved } = line;
  const [first] = waiters;
  return (
    <tr>
      <td class="wide-cell">
        <b>{name}</b>
        {value !== null && <span class="chip">{value === '' ? '(empty)' : value}</span>}
        {of.length > 0 && of.join() !== name && <span class="second">of {of.join(', ')}</span>}
        <span class="only-s second">
          {ruleOf(line)}
          {line.override !== null && ', set at run time'}
        </span>
        <span class="only-s">
          {holders.slice(0, shownEach).map((holder) => (
            <HolderLine key={holder.id} holder={holder} toldAt={toldAt} />
          ))}
        </span>
      </td>
      <td class="hide-s">
        {ruleOf(line)}
        {line.override !== null && <span class="second">set at run time</span>}
      </td>
      <td class="right num">
        {kind === 'rate' ? (
          <span class="dim">–</span>
        ) : (
          <>
            {count(inUse)}
            {limit !== null && <span class="dim">/{count(limit)}</span>}
          </>
        )}
      </td>
      <td class="hide-s">
        {kind === 'rate' ? (
          <span class="dim">
            {nextAt === null || nextAt <= Date.now() ? (
              'free'
            ) : (
              <>
                the next may start <Time at={nextAt} />
              </>
            )}
          </span>
        ) : (
          <>
            {holders.slice(0, shownEach).map((holder) => (
              <HolderLine key={holder.id} holder={holder} toldAt={toldAt} />
            ))}
            {inUse > shownEach && <span class="dim">and {count(inUse - shownEach)} more</span>}
          </>
        )}
      </td>
      <td class="right num">
        {count(kind === 'rate' ? reserved : waiting)}
        {first !== undefined && (
          <span class="second">
            since <Time at={first.sinceAt} />
            <span class="hide-s">
              {' '}
              in <a href={link(`/queues/${encodeURIComponent(first.queue)}`)}>{first.queue}</a>
            </span>
          </span>
        )}
      </td>
    </tr>
  );
}

/** `toldAt`: when the workers told what they run: a task that is newer is not among it. Null: they have not. */
function HolderLine({
  holder: { id, task, worker, startedAt },
  toldAt,
}: {
  holder: LimitLine['holders'][number];
  toldAt: number | null;
}): JSX.Element {
  return (
    <span class="holder">
      <a href={taskLink(id)}>{task ?? id}</a>
      {worker === null ? (
        <span class="dim">
          {toldAt !== null && (
            <>
              no worker that answered ran it <Time at={toldAt} />
            </>
          )}
        </span>
      ) : (
        <span class="dim">
          on <a href={workerLink(worker)}>{worker}</a>
          {startedAt !== null && (
            <>
              {' '}
              since <Time at={startedAt} />
            </>
          )}
        </span>
      )}
    </span>
  );
}

function ruleOf({ kind, limit, override }: LimitLine): string {
  if (override === 'none') return 'no limit';
  if (limit === null) return kind === 'rate' ? 'a rate in the workers’ code' : 'in the workers’ code';
  return kind === 'rate' ? `${rateOf(limit)}` : `${count(limit)} at once`;
}

/** `5 per second`, `30 per minute`, `2.5 per hour`. */
function rateOf(perSecond: number): string {
  const [times, unit] =
    perSecond >= 1 ? [1, 'second'] : perSecond * 60 >= 1 ? [60, 'minute'] : [3_600, 'hour'];
  return `${Number((perSecond * times).toPrecision(4))} per ${unit}`;
}

function Locks(): JSX.Element {
  const { value, fault, reload } = useLoaded('locks', () => answer(api.locks.$get()));
  useRefresh(reload, 5_000, 10_000);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  if (value.locks === null)
    return (
      <Empty kind="nothing" title="No store here keeps locks">
        <p>Neither the broker nor the results of this application can. Redis and the embedded store do.</p>
      </Empty>
    );
  return (
    <>
      {value.more && (
        <Warning>
          <b>Not all locks are shown.</b> There are more, or the server holds too many keys to look through.
        </Warning>
      )}
      {value.locks.length === 0 ? (
        <Empty kind="nothing" title="No lock is held">
          <p>
            A task whose option is <code>unique</code> holds one while it waits and runs.
          </p>
        </Empty>
      ) : (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Unique task</th>
                <th scope="col" class="hide-s">
                  Held by
                </th>
                <th scope="col" class="right hide-s">
                  Sent
                </th>
                <th scope="col" class="right">
                  Ends
                </th>
                <th scope="col" class="right">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.locks.map((lock) => (
                <LockRow key={lock.key} lock={lock} reload={reload} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value.locks.length > 0 && (
        <p class="dim table-note">
          {plural(value.locks.length, 'lock')}. Each ends with its task, or at the latest at the time shown.
        </p>
      )}
    </>
  );
}

function LockRow({ lock, reload }: { lock: LockLine; reload: () => Promise<void> }): JSX.Element {
  const { key, task, value, id, sentAt, untilAt } = lock;
  const toRelease = (): Question => ({
    title: `Release a lock of ${task}`,
    verb: 'Release',
    danger: true,
    effect: (
      <p>
        From then on the next call of <b>{task}</b> with this key is sent, also while the task{' '}
        <code>{id}</code> waits or runs. That task goes on. Release it only if that task is gone.
      </p>
    ),
    act: async (why) => {
      const { released } = await answer(api.locks.release.$post({ query: why, json: { key, id } }));
      await reload();
      return released ? 'It is released.' : 'This task does not have it any more.';
    },
  });
  return (
    <tr>
      <td class="wide-cell">
        <b>{task}</b>
        <span class="second mono">{value}</span>
        <a class="only-s second" href={taskLink(id)}>
          the task that has it
        </a>
      </td>
      <td class="hide-s id-cell">
        <a class="mono" href={taskLink(id)}>
          {id}
        </a>
      </td>
      <td class="right hide-s">
        <Time at={sentAt} />
      </td>
      <td class="right">
        <Time at={untilAt} />
      </td>
      <td class="right">
        <Act needs="locks">
          <AskButton small ask={toRelease}>
            Release…
          </AskButton>
        </Act>
      </td>
    </tr>
  );
}
