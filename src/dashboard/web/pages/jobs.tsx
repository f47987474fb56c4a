// Jobs that run many tasks again: the list.
import type { JSX } from 'preact';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { link } from '../router.ts';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Time } from '../ui/time.tsx';
import { JobProgress, JobState } from './job.tsx';

export function JobsPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('jobs', () => answer(api.jobs.$get()));
  useRefresh(reload, 2_000, 5_000);
  return (
    <>
      <PageHead title="Jobs" sub="that run many tasks again" />
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {fault !== null && value !== null && (
        <Warning tone="red">
          <b>These figures are old.</b> {fault.message}
        </Warning>
      )}
      {value === null && fault === null && <Loading />}
      {value !== null && value.jobs.length === 0 && (
        <Empty kind="nothing" title="There is no job">
          <p>
            Search for <a href={link('/tasks', { q: 'state:failure' })}>tasks</a>, and press{' '}
            <i>Run all that match…</i> there.
          </p>
        </Empty>
      )}
      {value !== null && value.jobs.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Query</th>
                <th scope="col">State</th>
                <th scope="col" class="hide-m">
                  Progress
                </th>
                <th scope="col" class="right hide-s">
                  Sent
                </th>
                <th scope="col" class="right hide-m">
                  Cannot run
                </th>
                <th scope="col" class="right hide-m">
                  Failed again
                </th>
                <th scope="col" class="right">
                  Prepared
                </th>
              </tr>
            </thead>
            <tbody>
              {value.jobs.map((job) => (
                <tr key={job.id}>
                  <td class="wide-cell">
                    <a class="strong" href={link(`/jobs/${encodeURIComponent(job.id)}`)}>
                      {job.query}
                    </a>
                    <span class="second">
                      {plural(job.total, 'task')}
                      {job.by !== '' && `, by ${job.by}`}
                      {job.reason !== '' && `: ${job.reason}`}
                    </span>
                  </td>
                  <td>
                    <JobState state={job.state} />
                  </td>
                  <td class="hide-m">
                    <JobProgress job={job} />
                  </td>
                  <td class="right num hide-s">{count(job.sent)}</td>
                  <td class="right num hide-m">{count(job.refused)}</td>
                  <td class="right num hide-m">
                    {count((job.outcomes.FAILURE ?? 0) + (job.outcomes.REJECTED ?? 0))}
                  </td>
                  <td class="right">
                    <Time at={Date.parse(job.createdAt)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
