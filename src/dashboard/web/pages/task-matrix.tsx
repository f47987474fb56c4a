// Which worker knows which task: a row for each task, a column for workers that are alike.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TaskKnowledge, TaskMatrix, WorkerGroup } from '../../server/pages/matrix.ts';
import { answer, api, useLoaded } from '../api.ts';
import { plural, shortCount } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { term } from '../query.ts';
import { link, workerLink } from '../router.ts';
import { Icon } from '../ui/icon.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Told } from '../ui/told.tsx';

export function TaskMatrixTable(): JSX.Element {
  const { value, fault, reload } = useLoaded('matrix', () => answer(api.doctor.tasks.$get()));
  useRefresh(reload, 10_000, 20_000);
  useReloadSoon(value?.told.asking === true, value, reload);
  const [onlyProblems, setOnlyProblems] = useState(false);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  const { groups, mixed, tasks, told, more } = value;
  if (groups.length === 0 && told.at === null)
    return (
      <>
        <Told told={told} />
        {told.problem === null && <Loading />}
      </>
    );
  if (groups.length === 0)
    return (
      <Empty kind="broken" title="No worker answers">
        <p>What workers know is asked of them, and none replied within a second.</p>
      </Empty>
    );
  const problems = tasks.filter(({ problem }) => problem !== null);
  const shown = onlyProblems ? problems : tasks;
  return (
    <>
      <Told told={told}>What they know is missing here.</Told>
      {mixed.length > 0 && (
        <div class="warnings">
          {mixed.map(({ queue, accepts }) => (
            <Warning key={queue}>
              <b>Workers of the queue {queue} read different serializers.</b> What one of them reads, another
              refuses:{' '}
              {accepts.map(({ worker, serializers }) => `${worker}: ${serializers.join(', ')}`).join('; ')}
            </Warning>
          ))}
        </div>
      )}
      <div class="tab-head">
        <span class="dim">
          {plural(tasks.length, 'task')}
          {more && ', and more that are not shown'}.{' '}
          {problems.length === 0
            ? 'Each task is known wherever it comes.'
            : `${plural(problems.length, 'task')} with a problem.`}
        </span>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyProblems}
            onChange={({ currentTarget }) => setOnlyProblems(currentTarget.checked)}
          />
          Only problems
        </label>
      </div>
      {shown.length === 0 ? (
        <Empty kind="good" title="No problems found" />
      ) : (
        <MatrixTable groups={groups} tasks={shown} />
      )}
    </>
  );
}

function MatrixTable({ groups, tasks }: Pick<TaskMatrix, 'groups' | 'tasks'>): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard
    <section class="table-box" tabIndex={0} aria-label="Tasks and workers">
      <table class="table matrix">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col" class="right hide-s">
              In 24 hours
            </th>
            {groups.map((group) => (
              <GroupHead key={group.workers.join(' ')} group={group} />
            ))}
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <TaskRow key={task.task} task={task} groups={groups} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function GroupHead({
  group: { workers, queues, language, software, accepts },
}: {
  group: WorkerGroup;
}): JSX.Element {
  const [first = ''] = workers;
  return (
    <th scope="col" class="matrix-head" title={workers.join('\n')}>
      <a href={workerLink(first)}>{first}</a>
      {workers.length > 1 && <span class="dim"> +{workers.length - 1}</span>}
      <span class="second">{language === null ? 'its events are off' : `${language}, ${software}`}</span>
      <span class="second">{queues.join(', ') || 'no queue'}</span>
      {accepts !== null && <span class="second">reads {accepts.join(', ') || 'nothing'}</span>}
    </th>
  );
}

const problems = {
  nobody: 'no worker knows it',
  some: 'not on all workers',
  signatures: 'takes different arguments',
} as const;

function TaskRow({
  task: { task, recent, queues, cells, signatures, problem },
  groups,
}: {
  task: TaskKnowledge;
  groups: readonly WorkerGroup[];
}): JSX.Element {
  const takes = [...new Set(signatures)].filter((each) => each !== null);
  return (
    <tr>
      <th scope="row" class="wide-cell">
        <a class="strong" href={link('/tasks', { q: `${term('name', task)} seen:<24h` })}>
          {task}
        </a>
        {problem !== null && (
          <span class="second">
            <span class={`badge tone-${problem === 'nobody' ? 'red' : 'amber'}`}>{problems[problem]}</span>
          </span>
        )}
        {takes.length === 1 && <code class="second">{takes[0]}</code>}
        {queues.length > 0 && <span class="second">to {queues.join(', ')}</span>}
      </th>
      <td class="right num hide-s">{recent === null ? '–' : shortCount(recent)}</td>
      {cells.map((cell, index) => (
        <td key={groups[index]?.workers[0]} class={`matrix-cell matrix-${cell}`}>
          {cell === 'knows' ? <Icon name="check" /> : cell === 'lacks' ? <Icon name="cross" /> : '·'}
          <span class="off-screen">
            {cell === 'knows'
              ? 'knows it'
              : cell === 'lacks'
                ? 'does not know it, and serves its queue'
                : 'does not know it'}
          </span>
          {takes.length > 1 && <code class="second">{signatures[index]}</code>}
        </td>
      ))}
    </tr>
  );
}
