// The ledger of the messages of a queue that workers hold.
import type { JSX } from 'preact';
import type { HeldLine } from '../../server/pages/held.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { taskLink, workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { Time } from '../ui/time.tsx';
import { Told } from '../ui/told.tsx';

/** `counted`: how many the broker counts; null: it does not count them. */
export function Held({ name, counted }: { name: string; counted: number | null }): JSX.Element {
  const { value, fault, reload } = useLoaded(`held ${name}`, () =>
    answer(api.queues[':name'].held.$get({ param: { name } })),
  );
  useRefresh(reload, 3_000, 5_000);
  useReloadSoon(value?.told.asking === true, value, reload);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  const isKnown = value.told.at !== null;
  return (
    <>
      <Told told={value.told}>What they hold is missing here.</Told>
      {!isKnown && value.told.problem === null && value.held.length === 0 && <Loading />}
      {isKnown && value.held.length === 0 && (
        <Empty kind="nothing" title="No worker reports a message of this queue" />
      )}
      {value.held.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Task</th>
                <th scope="col">Held by</th>
                <th scope="col" class="right hide-s">
                  Runs since
                </th>
                <th scope="col" class="right hide-s">
                  Back if it dies
                </th>
                <th scope="col" class="right">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.held.map((held) => (
                <HeldRow key={`${held.worker} ${held.id}`} queue={name} held={held} reload={reload} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="dim queue-note">
        A worker renews one lease for all of its messages as long as it lives. If it dies, they return to the
        queue within {value.lease} s (setting <code>workerLease</code>); on Redis, those of a Python Celery
        worker after its visibility timeout.
        {value.problem !== null && ` No message can be released here: ${value.problem}.`}
        {isKnown &&
          counted !== null &&
          counted > value.held.length &&
          ` The broker counts ${plural(counted, 'held message')}, and ${count(value.held.length)} are known: Python Celery workers that did not reply, or that wait for an eta, hold the others.`}
      </p>
    </>
  );
}

interface RowProps {
  readonly queue: string;
  readonly held: HeldLine;
  readonly reload: () => Promise<void>;
}

function HeldRow({ queue, held, reload }: RowProps): JSX.Element {
  const { id, task, worker, started, startedAt, redelivered, pid, told, leaseEndsAt, releasable } = held;
  return (
    <tr>
      <td class="wide-cell">
        <a class="strong" href={taskLink(id)}>
          {task}
        </a>{' '}
        {redelivered && <span class="badge tone-amber">delivered again</span>}
        <span class="second">{id}</span>
        {started && (
          <span class="only-s dim">
            runs since <Time at={startedAt} />
          </span>
        )}
      </td>
      <td>
        <a class="strong" href={workerLink(worker)}>
          {worker}
        </a>
        {pid !== null && <span class="second">process {pid}</span>}
        {!told && <span class="second">it has not told it</span>}
      </td>
      <td class="right hide-s">
        {started ? <Time at={startedAt} /> : <span class="dim">{told ? 'not started' : 'unknown'}</span>}
      </td>
      <td class="right hide-s">
        {leaseEndsAt === null ? (
          <span class="dim">{releasable ? 'at once' : 'unknown'}</span>
        ) : (
          <Time at={leaseEndsAt} />
        )}
      </td>
      <td class="right">
        {releasable && (
          <Act needs="release">
            <ReleaseButton queue={queue} held={held} reload={reload} />
          </Act>
        )}
      </td>
    </tr>
  );
}

function ReleaseButton({ queue, held: { id, task, worker, started }, reload }: RowProps): JSX.Element {
  return (
    <AskButton
      small
      label={`Release ${task} ${id}`}
      ask={() => ({
        title: `Release ${task}`,
        verb: 'Release',
        danger: true,
        effect: (
          <>
            <p>
              The message goes back to the front of <b>{queue}</b> now, and the next free worker takes it. It
              is for a worker that hangs.
            </p>
            <p>
              <b>
                {started
                  ? `If ${worker} still runs the task, it runs twice.`
                  : `${worker} may start it all the same: then it runs twice.`}
              </b>{' '}
              {worker} is not told. What it does to other systems stays done; its result and what follows from
              it are refused, if results are kept in the store of the messages.
            </p>
          </>
        ),
        act: async (why) => {
          const { released } = await answer(
            api.queues[':name'].release.$post({ query: why, param: { name: queue }, json: { id } }),
          );
          await reload();
          return released ? 'It is back in its queue.' : 'No worker of Umbel holds it any more.';
        },
      })}
    >
      Release…
    </AskButton>
  );
}
