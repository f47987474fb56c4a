// The page of a task: its state, timeline and relatives, and its actions.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TaskRecord } from '../../../history/record.ts';
import type { TaskLine } from '../../server/pages/tasks.ts';
import { answer, api, may, useLoaded } from '../api.ts';
import { duration, plural } from '../format.ts';
import { useKeys } from '../keys.ts';
import { clock, useDeltas, useRefresh } from '../live.ts';
import { term } from '../query.ts';
import { link, navigate, taskLink, workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { confirm } from '../ui/confirm.tsx';
import { CopyButton, copy } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { isFinal, State } from '../ui/state.tsx';
import { Time } from '../ui/time.tsx';
import { Value } from '../ui/value.tsx';
import { ChordPanel } from './chord.tsx';
import { askToRetry } from './run-again.tsx';
import { TaskLog } from './task-log.tsx';
import { TaskCells } from './task-row.tsx';

export function TaskPage({ id }: { id: string }): JSX.Element {
  const { value, fault, reload } = useLoaded(`task ${id}`, () =>
    answer(api.tasks[':id'].$get({ param: { id } })),
  );
  const [why, setWhy] = useState<string | null>(null);
  // The history may be written a moment after the event that reloads the page.
  useRefresh(reload, 2_000, 30_000);
  useDeltas(({ tasks, partial }) => {
    if (partial || tasks.some((task) => task.id === id || task.id === value?.task.parentId)) void reload();
  });
  const task = value?.task as TaskRecord | undefined; // the route's type; hono's JSON type is not deep enough
  // A retry is sent by the task itself, and a task is not its own parent.
  const parentId = task?.parentId === id ? null : (task?.parentId ?? null);
  const workflow = task === undefined ? null : (task.rootId ?? task.id);
  useKeys({
    c: () => may('revoke') && task !== undefined && !isFinal(task.state) && askToRevoke(task, false),
    y: () => void copy(id),
    p: () => parentId !== null && navigate(taskLink(parentId)),
    w: () => workflow !== null && navigate(link(`/workflows/${encodeURIComponent(workflow)}`)),
  });
  if (fault !== null && value === null)
    return fault.status === 404 ? <Unknown id={id} /> : <FaultNote isPage fault={fault} retry={reload} />;
  if (value === null || task === undefined) return <Loading rows={10} />;
  const { parent, root, children, moreChildren } = value;
  const attempts = task.attempts.length > 0 && (
    <Panel
      title={task.attempts.length === 1 ? 'One attempt' : plural(task.attempts.length, 'attempt', 'attempts')}
    >
      <Attempts task={task} />
    </Panel>
  );
  const inWorkflow = parentId !== null || children.length > 0 || (task.rootId ?? id) !== id;
  return (
    <>
      <PageHead
        title={
          <span class="title-row">
            {task.name ?? 'Unknown task'} <State state={task.state} />
          </span>
        }
        sub={
          <span class="id-row">
            <code>{id}</code>
            <CopyButton text={id} what="the id" />
          </span>
        }
      >
        {inWorkflow && workflow !== null && (
          <a class="button" href={link(`/workflows/${encodeURIComponent(workflow)}`)}>
            <Icon name="workflow" /> Workflow
          </a>
        )}
        {isFinal(task.state) && task.name !== null && (
          <Act needs="retry">
            <button type="button" class="button" onClick={() => askToRetry(task)}>
              Run again…
            </button>
          </Act>
        )}
        {!isFinal(task.state) && (
          <button
            type="button"
            class="button"
            onClick={() =>
              void answer(api.tasks[':id'].why.$get({ param: { id } })).then(
                ({ text }) => setWhy(text),
                (error: unknown) => setWhy(error instanceof Error ? error.message : String(error)),
              )
            }
          >
            Why is it not done?
          </button>
        )}
        {!isFinal(task.state) && (
          <Act needs="revoke">
            <button type="button" class="button" onClick={() => askToRevoke(task, false)}>
              Revoke…
            </button>
            <button type="button" class="button button-danger" onClick={() => askToRevoke(task, true)}>
              Terminate…
            </button>
          </Act>
        )}
      </PageHead>
      {why !== null && !isFinal(task.state) && <Warning tone="blue">{why}</Warning>}
      {task.chordId !== null && task.groupId !== null && <ChordPanel id={task.groupId} onDone={reload} />}
      {task.exception !== null && (
        <div class={`exception tone-${task.state === 'FAILURE' ? 'red' : 'amber'}`}>
          <Icon name="failures" />
          <code>{task.exception}</code>
          <CopyButton text={task.traceback ?? task.exception} what="the traceback" />
        </div>
      )}
      <div class="columns columns-task">
        <div class="stack">
          <Panel title="Timeline">
            <Timeline task={task} />
          </Panel>
          {task.state === 'FAILURE' && attempts}
          <div class={hasKeywords(task) ? 'columns' : 'stack'}>
            <Panel title="Arguments">
              <Value
                what="the arguments"
                {...(task.args !== null ? { value: task.args } : { text: task.argsRepr })}
              />
            </Panel>
            {hasKeywords(task) && (
              <Panel title="Keyword arguments">
                <Value
                  what="the keyword arguments"
                  {...(task.kwargs !== null ? { value: task.kwargs } : { text: task.kwargsRepr })}
                />
              </Panel>
            )}
          </div>
          {task.state === 'SUCCESS' && (
            <Panel title="Result">
              <Value what="the result" text={task.result} />
            </Panel>
          )}
          {task.progress.length > 0 && (
            <Panel title="Progress" aside={<Time at={task.progress.at(-1)?.at ?? null} />}>
              <Value what="the progress" value={task.progress.at(-1)?.value ?? null} />
            </Panel>
          )}
          {task.log.length > 0 && (
            <Panel title="Log" flush>
              <TaskLog lines={task.log} />
            </Panel>
          )}
          {task.state !== 'FAILURE' && attempts}
        </div>
        <div class="stack">
          <Panel title="About">
            <Facts facts={factsOf(task)} />
          </Panel>
          {(parent !== null || root !== null || parentId !== null) && (
            <Panel title="Came from">
              <ul class="relatives">
                {root !== null && root.id !== parent?.id && <Relative task={root} word="root" />}
                {parent !== null ? (
                  <Relative task={parent} word="parent" />
                ) : (
                  parentId !== null && (
                    <li>
                      parent <a href={taskLink(parentId)}>{parentId}</a>{' '}
                      <span class="dim">not in the history</span>
                    </li>
                  )
                )}
              </ul>
            </Panel>
          )}
        </div>
      </div>
      {children.length > 0 && (
        <Panel title={`Sent by this task${moreChildren ? ' (the first 100)' : ''}`} flush>
          <table class="table">
            <thead class="off-screen">
              <tr>
                {['Task', 'State', 'Queue', 'Worker', 'Wait', 'Runtime', 'When'].map((word) => (
                  <th key={word} scope="col">
                    {word}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {children.map((child) => (
                <tr key={child.id}>
                  <TaskCells task={child} />
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
    </>
  );
}

function hasKeywords({ kwargs, kwargsRepr }: TaskRecord): boolean {
  return kwargs === null ? (kwargsRepr ?? '{}') !== '{}' : Object.keys(kwargs).length > 0;
}

function Unknown({ id }: { id: string }): JSX.Element {
  return (
    <Empty kind="broken" isPage title="The history does not know this task">
      <p>
        <code>{id}</code>
      </p>
      <p>
        It may be older than the history, or no recorder was running when it was sent. Its result, if there is
        one:
      </p>
      <p>
        <code>umbel result {id}</code>
      </p>
    </Empty>
  );
}

function Relative({ task, word }: { task: TaskLine; word: string }): JSX.Element {
  return (
    <li>
      <span class="dim">{word}</span> <a href={taskLink(task.id)}>{task.name ?? task.id}</a>{' '}
      <State state={task.state} />
    </li>
  );
}

function askToRevoke({ id, name, state, worker }: TaskRecord, terminate: boolean): void {
  confirm({
    title: `${terminate ? 'Terminate' : 'Revoke'} ${name ?? 'task'}`,
    verb: terminate ? 'Terminate' : 'Revoke',
    danger: true,
    effect:
      state === 'STARTED' ? (
        terminate ? (
          <p>
            It runs on <b>{worker ?? 'a worker'}</b> now, and is ended there: in a pool of processes by
            SIGTERM. What it has done so far stays done.
          </p>
        ) : (
          <p>
            It runs on <b>{worker ?? 'a worker'}</b> now and goes on; a further attempt will not run. To end
            it now, terminate it.
          </p>
        )
      ) : (
        <p>It waits. The worker that takes it ends it as REVOKED and does not run it.</p>
      ),
    act: (why) =>
      answer(api.tasks.revoke.$post({ query: why, json: { ids: [id], terminate, signal: 'SIGTERM' } })),
  });
}

function factsOf(task: TaskRecord): readonly (readonly [string, JSX.Element | string])[] {
  const facts: (readonly [string, JSX.Element | string | null])[] = [
    [
      'Queue',
      task.queue === null ? null : (
        <a href={link('/tasks', { q: term('queue', task.queue) })}>{task.queue}</a>
      ),
    ],
    ['Routing key', task.routingKey === task.queue ? null : task.routingKey],
    ['Priority', task.priority?.toString() ?? null],
    ['Worker', task.worker === null ? null : <a href={workerLink(task.worker)}>{task.worker}</a>],
    ['Sent by', task.client],
    ['Runs again', task.retryOf === null ? null : <a href={taskLink(task.retryOf)}>{task.retryOf}</a>],
    [
      'Ran again as',
      task.retriedAs.length === 0 ? null : (
        <span>
          {task.retriedAs.map((again) => (
            <a key={again} href={taskLink(again)}>
              {again}{' '}
            </a>
          ))}
        </span>
      ),
    ],
    ['Chain', task.chainLeft === null ? null : `${task.chainLeft} more follow`],
    ['Retries', task.retries === null || task.retries === 0 ? null : String(task.retries)],
    ['ETA', task.eta === null ? null : <Time at={task.eta} />],
    ['Expires', task.expires === null ? null : <Time at={task.expires} />],
    ['Wait', duration(task.waitMs)],
    ['Runtime', duration(task.runtimeMs)],
    [
      'Group',
      task.groupId === null ? null : (
        <a href={link('/tasks', { q: term('group', task.groupId) })}>{task.groupId}</a>
      ),
    ],
    [
      'Chord',
      task.chordId === null ? null : (
        <a href={link('/tasks', { q: term('chord', task.chordId) })}>{task.chordId}</a>
      ),
    ],
    ...Object.entries(task.stamps ?? {}).map(
      ([name, values]) => [name, values.map(String).join(', ')] as const,
    ),
  ];
  return facts.filter((fact): fact is [string, JSX.Element | string] => fact[1] !== null);
}

interface Step {
  readonly word: string;
  readonly tone: string;
  readonly at: number;
  readonly note: string | null;
}

/** The steps of the task, with their times and durations. */
function Timeline({ task }: { task: TaskRecord }): JSX.Element {
  const steps = stepsOf(task);
  const now = clock.value;
  return (
    <ol class="timeline">
      {steps.map((step, index) => {
        const next = steps[index + 1];
        const open = next === undefined && !isFinal(task.state);
        return (
          <li key={`${step.word} ${step.at}`} class={`step tone-${step.tone}`}>
            <span class="step-dot" aria-hidden="true" />
            <span class="step-word">{step.word}</span>
            <span class="step-note">{step.note}</span>
            <span class="step-time">
              <Time at={step.at} />
            </span>
            {(next !== undefined || open) && (
              <span class="step-gap">
                {duration(Math.max(0, (next?.at ?? now) - step.at))}
                {open && ' so far'}
              </span>
            )}
          </li>
        );
      })}
    </ol>
  );
}

const tones: Readonly<Record<string, string>> = {
  SUCCESS: 'green',
  FAILURE: 'red',
  RETRY: 'amber',
  REVOKED: 'violet',
  REJECTED: 'stone',
};

function stepsOf(task: TaskRecord): readonly Step[] {
  const { sentAt, eta, attempts, client } = task;
  const steps: Step[] = [];
  if (sentAt !== null) steps.push({ word: 'Sent', tone: 'slate', at: sentAt, note: client });
  for (const { worker, state, receivedAt, startedAt, endedAt } of attempts) {
    if (receivedAt !== null) steps.push({ word: 'Received', tone: 'blue', at: receivedAt, note: worker });
    if (startedAt !== null) steps.push({ word: 'Started', tone: 'teal', at: startedAt, note: worker });
    if (endedAt !== null && tones[state] !== undefined)
      steps.push({
        word: state === 'RETRY' ? 'To be retried' : state.charAt(0) + state.slice(1).toLowerCase(),
        tone: tones[state] ?? 'slate',
        at: endedAt,
        note: null,
      });
  }
  if (eta !== null && !isFinal(task.state) && eta > (steps.at(-1)?.at ?? 0))
    steps.push({ word: 'Due', tone: 'indigo', at: eta, note: null });
  if (steps.length === 0) steps.push({ word: 'First event', tone: 'slate', at: task.seenAt, note: null });
  return steps;
}

function Attempts({ task }: { task: TaskRecord }): JSX.Element {
  const { attempts } = task;
  return (
    <div class="attempts">
      {attempts
        .map((attempt, index) => ({ ...attempt, number: index + 1 }))
        .reverse()
        .map(({ number, worker, state, startedAt, receivedAt, runtimeMs, exception, traceback }) => {
          const trace = traceback ?? (number === attempts.length ? task.traceback : null);
          return (
            <details key={number} class="attempt" open={number === attempts.length && trace !== null}>
              <summary>
                <b class="num">{number}</b>
                <State state={state} />
                <span class="attempt-text">{exception ?? worker ?? ''}</span>
                <span class="num dim hide-s">{duration(runtimeMs)}</span>
                <Time at={startedAt ?? receivedAt} />
              </summary>
              <div class="attempt-body">
                {worker !== null && (
                  <p>
                    on <a href={workerLink(worker)}>{worker}</a>
                  </p>
                )}
                {trace === null ? (
                  <p class="dim">No traceback.</p>
                ) : (
                  <div class="trace">
                    <CopyButton text={trace} what="the traceback" />
                    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard */}
                    <pre class="code" tabIndex={0}>
                      {trace}
                    </pre>
                  </div>
                )}
              </div>
            </details>
          );
        })}
    </div>
  );
}
