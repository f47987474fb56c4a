// Failures, grouped by exception and place.
import type { JSX } from 'preact';
import type { FailureGroup } from '../../server/pages/failures.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { term } from '../query.ts';
import { link, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { Spark } from '../ui/chart.tsx';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Time } from '../ui/time.tsx';
import { askToPlan } from './job.tsx';

const windows = [
  { hours: '1', word: '1 hour' },
  { hours: '24', word: '24 hours' },
  { hours: '168', word: '7 days' },
] as const;

export function FailuresPage(): JSX.Element {
  const parameter = search.value.get('hours');
  const { hours, word } = windows.find((each) => each.hours === parameter) ?? windows[1];
  const { value, fault, reload, outdated } = useLoaded(`failures ${hours}`, () =>
    answer(api.failures.$get({ query: { hours } })),
  );
  useRefresh(reload, 4_000, 20_000);
  return (
    <>
      <PageHead
        title="Failures"
        sub={
          value === null
            ? undefined
            : `${plural(value.searched, 'failure')} in ${plural(value.groups.length, 'group')}${value.partial ? '; only the latest were looked at' : ''}`
        }
      >
        <fieldset class="segments">
          <legend class="off-screen">Of the last</legend>
          {windows.map((each) => (
            <button
              key={each.hours}
              type="button"
              aria-pressed={each.hours === hours}
              onClick={() => setSearch({ hours: each.hours }, false)}
            >
              {each.word}
            </button>
          ))}
        </fieldset>
      </PageHead>
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {value === null && fault === null && <Loading />}
      {value?.groups.length === 0 && <Empty kind="good" title={`No failures in the last ${word}`} />}
      {value !== null && value.groups.length > 0 && (
        <div class={`table-box${outdated ? ' outdated' : ''}`}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Exception</th>
                <th scope="col" class="hide-m">
                  Task
                </th>
                <th scope="col" class="hide-s">
                  {word}
                </th>
                <th scope="col" class="right">
                  Times
                </th>
                <th scope="col" class="right hide-s">
                  First
                </th>
                <th scope="col" class="right">
                  Last
                </th>
                <th scope="col" class="right hide-s">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.groups.map((group) => (
                <tr key={group.key}>
                  <td class="wide-cell">
                    <a class="strong" href={taskLink(group.lastId)}>
                      {group.exception}
                    </a>
                    {group.place !== null && <span class="chip mono">{group.place}</span>}
                    <span class="second">{group.message || 'without a message'}</span>
                  </td>
                  <td class="hide-m">
                    {group.task ?? <span class="dim">unknown</span>}
                    <span class="second">
                      {group.workers.length === 1 ? group.workers[0] : plural(group.workers.length, 'worker')}
                    </span>
                  </td>
                  <td class="hide-s">
                    <Spark
                      bars
                      tone="red"
                      values={group.trend}
                      label={`${group.exception}: ${count(group.count)} times in the last ${word}`}
                    />
                  </td>
                  <td class="right num">
                    <a href={link('/tasks', { q: queryOf(group, hours) })}>{count(group.count)}</a>
                  </td>
                  <td class="right hide-s">
                    <Time at={group.firstAt} />
                  </td>
                  <td class="right">
                    <Time at={group.lastAt} />
                  </td>
                  <td class="right hide-s">
                    <Act needs="retry">
                      <button
                        type="button"
                        class="button button-small"
                        aria-label={`Run again: ${group.exception} of ${group.task ?? 'unknown tasks'}`}
                        onClick={() => askToPlan(queryOf(group, hours))}
                      >
                        Run again…
                      </button>
                    </Act>
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

/** The failed tasks of a group. */
function queryOf({ task, exception }: FailureGroup, hours: string): string {
  const ofTask = task === null ? 'NOT name:* ' : `${term('name', task)} `;
  return `state:failure ${ofTask}${term('exception', exception)} ended:<${hours}h`;
}
