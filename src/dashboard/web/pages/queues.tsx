import type { JSX } from 'preact';
import type { QueueLine } from '../../server/pages/queues.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { link, workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { Spark } from '../ui/chart.tsx';
import { confirm } from '../ui/dialog.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';

export function QueuesPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('queues', () => answer(api.queues.$get()));
  useRefresh(reload, 2_000, 5_000);
  const total = (key: 'ready' | 'scheduled' | 'held'): number =>
    value?.queues.reduce((sum, queue) => sum + queue[key], 0) ?? 0;
  return (
    <>
      <PageHead
        title="Queues"
        sub={
          value === null
            ? undefined
            : `${count(total('ready'))} waiting, ${count(total('scheduled'))} scheduled, ${count(total('held'))} held by workers`
        }
      />
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {fault !== null && value !== null && (
        <Warning tone="red">
          <b>The broker is away.</b> {fault.message}
        </Warning>
      )}
      {value === null && fault === null && <Loading />}
      {value?.problem != null && (
        <Warning>
          <b>Who serves them is not known.</b> {value.problem}
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
                <th scope="col">Workers</th>
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
  const { name, ready, scheduled, held, workers, tasks, trend } = queue;
  return (
    <tr>
      <td class="wide-cell">
        <a class="strong" href={link('/tasks', { q: `queue:${name}` })}>
          {name}
        </a>
        <span class="second">{tasks.length === 0 ? '' : tasks.join(', ')}</span>
      </td>
      <td class="hide-m">
        <Spark values={trend} label={`Waiting in ${name} in the last five minutes`} tone="amber" />
      </td>
      <td class="right num">{count(ready)}</td>
      <td class="right num hide-s">{count(scheduled)}</td>
      <td class="right num hide-s">{count(held)}</td>
      <td>
        {workers === null ? (
          <span class="dim">not known</span>
        ) : workers.length === 0 ? (
          <span class={`badge ${ready > 0 ? 'tone-red' : 'tone-stone'}`}>none</span>
        ) : workers.length === 1 && workers[0] !== undefined ? (
          <a href={workerLink(workers[0])}>{workers[0]}</a>
        ) : (
          <span title={workers.join('\n')}>{plural(workers.length, 'worker')}</span>
        )}
      </td>
      <td class="right">
        <Act needs="admin">
          <button
            type="button"
            class="button button-small"
            disabled={ready + scheduled === 0}
            onClick={() =>
              confirm({
                title: `Purge ${name}`,
                verb: 'Purge',
                danger: true,
                type: name,
                effect: (
                  <>
                    <p>
                      Deletes <b>{plural(ready + scheduled, 'message')}</b> for good: {count(ready)} waiting
                      and {count(scheduled)} scheduled. No worker runs these tasks.
                    </p>
                    {held > 0 && <p>{plural(held, 'message')} that workers hold stay.</p>}
                  </>
                ),
                act: async (why) => {
                  const { purged } = await answer(
                    api.queues[':name'].purge.$post({ query: why, param: { name } }),
                  );
                  await reload();
                  return `${plural(purged, 'message')} deleted.`;
                },
              })
            }
          >
            Purge…
          </button>
        </Act>
      </td>
    </tr>
  );
}
