// A job that runs many tasks again: its progress, what failed, and its buttons.
import type { InferResponseType } from 'hono/client';
import type { JSX } from 'preact';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { link, navigate } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import { confirm, type Question } from '../ui/confirm.tsx';
import { FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { Facts, PageHead, Panel } from '../ui/page-head.tsx';
import { lookOf } from '../ui/state.tsx';
import { Time } from '../ui/time.tsx';

type JobLine = InferResponseType<typeof api.jobs.$get>['jobs'][number];

const tones: Readonly<Record<JobLine['state'], string>> = {
  planning: 'slate',
  ready: 'blue',
  running: 'teal',
  paused: 'amber',
  done: 'green',
  aborted: 'stone',
};

export function JobState({ state }: { state: JobLine['state'] }): JSX.Element {
  return <span class={`badge tone-${tones[state]}`}>{state}</span>;
}

/** What was sent or refused, of all. */
export function JobProgress({ job: { sent, refused, total, query } }: { job: JobLine }): JSX.Element {
  return (
    <progress
      class="job-progress"
      aria-label={`Handled of ${query}`}
      max={Math.max(total, 1)}
      value={total === 0 ? 1 : sent + refused}
    />
  );
}

/** A job: `/jobs/ID`. */
export function JobPage({ id }: { id: string }): JSX.Element {
  const { value, fault, reload } = useLoaded(`job ${id}`, () =>
    answer(api.jobs[':id'].$get({ param: { id } })),
  );
  useRefresh(reload, 1_000, 2_000);
  if (value === null) return fault === null ? <Loading /> : <FaultNote isPage fault={fault} retry={reload} />;
  const { query, state, pauseReason, problems } = value;
  const runs = Object.entries(value.outcomes);
  return (
    <>
      <PageHead title={query} sub={<JobState state={state} />}>
        <a class="button" href={link('/tasks', { q: query })}>
          Tasks
        </a>
        <Act needs="retry">
          <JobButtons job={value} reload={reload} />
        </Act>
      </PageHead>
      {fault !== null && (
        <Warning tone="red">
          <b>These figures are old.</b> {fault.message}
        </Warning>
      )}
      {pauseReason !== '' && (
        <Warning>
          <b>{state === 'planning' ? 'It is not prepared:' : 'It is paused:'}</b> {pauseReason}
        </Warning>
      )}
      {state === 'planning' && pauseReason === '' && (
        <Warning tone="blue">
          <b>Its tasks are being gathered.</b> Nothing was sent yet.
        </Warning>
      )}
      {state === 'ready' && (
        <Warning tone="blue">
          <b>Nothing was sent yet.</b> The job knows its tasks, and waits to be run.
        </Warning>
      )}
      <div class="stack">
        <Panel title="Progress">
          <JobProgress job={value} />
          <Facts
            facts={[
              ['Tasks found', count(value.total)],
              ['Sent again', count(value.sent)],
              ['Not sent yet', count(value.open)],
              ['Being sent', count(value.sending)],
              ['Cannot run again', count(value.refused)],
              ['Rate', rateText(value.rate)],
              [
                'Pauses by itself',
                value.stopAt === null ? 'never' : `when ${value.stopAt * 100} % of the new runs fail`,
              ],
              ['Tasks that ran again before', value.again ? 'run once more' : 'are left out'],
              ['Prepared', <Time key="created" at={Date.parse(value.createdAt)} />],
              ['By', value.by === '' ? '–' : value.by],
              ['Reason', value.reason === '' ? '–' : value.reason],
            ]}
          />
        </Panel>
        {runs.length > 0 && (
          <Panel title="The new runs">
            <Facts facts={runs.map(([each, tasks]) => [lookOf(each).word, count(tasks ?? 0)])} />
          </Panel>
        )}
        {problems.length > 0 && (
          <Panel title="Cannot run again">
            <Facts facts={problems.map(({ problem, tasks }) => [problem, count(tasks)])} />
          </Panel>
        )}
      </div>
    </>
  );
}

function JobButtons({ job, reload }: { job: JobLine; reload: () => Promise<void> }): JSX.Element {
  const { id, state, pauseReason, open, sending } = job;
  const left = open + sending;
  return (
    <>
      {state === 'planning' && pauseReason !== '' && (
        <AskButton
          look="primary"
          ask={() => ({
            title: 'Prepare the job',
            verb: 'Prepare',
            effect: <p>Gathers its tasks from where it has stopped. Nothing is sent.</p>,
            act: async (why) => {
              await answer(api.jobs[':id'].prepare.$post({ param: { id }, query: why }));
              await reload();
              return 'Its tasks are being gathered.';
            },
          })}
        >
          Prepare…
        </AskButton>
      )}
      {(state === 'ready' || state === 'paused') && (
        <AskButton look="primary" ask={() => toRun(job, reload)}>
          {state === 'ready' ? 'Run…' : 'Resume…'}
        </AskButton>
      )}
      {state === 'running' && (
        <AskButton
          ask={() => ({
            title: 'Pause the job',
            verb: 'Pause',
            effect: <p>No more tasks are sent until it is resumed. {plural(left, 'task')} left.</p>,
            act: async (why) => {
              const { done } = await order(id, 'pause', why);
              await reload();
              return done ? 'Paused.' : 'It does not run any more.';
            },
          })}
        >
          Pause…
        </AskButton>
      )}
      {state !== 'done' && state !== 'aborted' && (
        <AskButton
          look="danger"
          ask={() => ({
            title: 'Abort the job',
            verb: 'Abort',
            danger: true,
            effect: (
              <p>
                Ends the job for good: {plural(left, 'task')} will not be sent. What was sent already runs on.
              </p>
            ),
            act: async (why) => {
              const { done } = await order(id, 'abort', why);
              await reload();
              return done ? 'Aborted.' : 'It has ended already.';
            },
          })}
        >
          Abort…
        </AskButton>
      )}
    </>
  );
}

function order(
  id: string,
  verb: 'pause' | 'abort',
  query: { readonly reason?: string },
): Promise<{ done: boolean }> {
  return answer(api.jobs[':id'][':verb{pause|abort}'].$post({ param: { id, verb }, query }));
}

function toRun(job: JobLine, reload: () => Promise<void>): Question {
  let rate = '';
  return {
    title: job.state === 'ready' ? 'Run the job' : 'Resume the job',
    verb: job.state === 'ready' ? 'Run' : 'Resume',
    effect: (
      <div class="stack">
        <p>
          Sends {plural(job.open + job.sending, 'task')} again, {rateText(job.rate)}. The dashboard sends
          them: when it is closed, the job is paused.
        </p>
        <label class="field">
          <span>Another rate, like 50/s or 100/m; 0: no limit (may be left out)</span>
          <input
            autocomplete="off"
            maxLength={20}
            onInput={({ currentTarget }) => {
              rate = currentTarget.value.trim();
            }}
          />
        </label>
      </div>
    ),
    act: async (why) => {
      await answer(
        api.jobs[':id'].run.$post({
          param: { id: job.id },
          query: why,
          json: { ...(rate !== '' && { rate }) },
        }),
      );
      await reload();
      return 'It runs.';
    },
  };
}

/** Prepares a job, and opens its page. Nothing is sent before the user has seen the numbers there. */
export function askToPlan(query: string): void {
  let rate = '';
  let stopAt = '';
  let again = false;
  confirm({
    title: 'Run all that match again',
    verb: 'Prepare',
    effect: (
      <div class="stack">
        <p>
          Counts the tasks that have ended and match <code>{query}</code>, and opens a job for them. Nothing
          is sent before you run the job.
        </p>
        <label class="field">
          <span>Rate, like 50/s or 100/m; 0: no limit (default: 50/s)</span>
          <input
            autocomplete="off"
            maxLength={20}
            onInput={({ currentTarget }) => {
              rate = currentTarget.value.trim();
            }}
          />
        </label>
        <label class="field">
          <span>Pause when more than this share of the new runs fails, in percent (may be left out)</span>
          <input
            type="number"
            min="0"
            max="100"
            onInput={({ currentTarget }) => {
              stopAt = currentTarget.value;
            }}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            onChange={({ currentTarget }) => {
              again = currentTarget.checked;
            }}
          />
          Also tasks that ran again before
        </label>
      </div>
    ),
    act: async (why) => {
      const { id } = await answer(
        api.jobs.$post({
          query: why,
          json: {
            query,
            again,
            ...(rate !== '' && { rate }),
            ...(stopAt !== '' && { stopAt: Number(stopAt) / 100 }),
          },
        }),
      );
      navigate(link(`/jobs/${encodeURIComponent(id)}`));
      return 'Its tasks are being gathered.';
    },
  });
}

/** `rate`: new runs in a second. */
function rateText(rate: number | null): string {
  if (rate === null) return 'as fast as the broker takes them';
  const [number, unit] =
    rate >= 1 ? [rate, 'a second'] : rate >= 1 / 60 ? [rate * 60, 'a minute'] : [rate * 3_600, 'an hour'];
  return `${Number(number.toFixed(2))} ${unit}`;
}
