// The audit log: what users did, the newest first.
import type { JSX } from 'preact';
import type { AuditLine } from '../../server/audit.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count } from '../format.ts';
import { useRefresh } from '../live.ts';
import { search, setSearch } from '../router.ts';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { Time } from '../ui/time.tsx';

export function AuditPage(): JSX.Element {
  const before = search.value.get('before');
  const { value, fault, reload, outdated } = useLoaded(`audit ${before}`, () =>
    answer(api.audit.$get({ query: before === null ? {} : { before: Number(before) } })),
  );
  useRefresh(reload, 5_000, 10_000);
  const next = value?.next ?? null;
  return (
    <>
      <PageHead
        title="Audit log"
        sub="actions over this dashboard, on the command line and by code, the newest first"
      />
      {fault !== null && value === null && <FaultNote fault={fault} retry={reload} />}
      {fault !== null && value !== null && (
        <Warning tone="red">
          <b>This list is old.</b> {fault.message}
        </Warning>
      )}
      {value === null && fault === null && <Loading />}
      {value?.entries.length === 0 && (
        <Empty kind="nothing" title={before === null ? 'Nobody has done anything yet' : 'No older action'}>
          {before === null && 'Actions are written here before they are done.'}
        </Empty>
      )}
      {value !== null && value.entries.length > 0 && (
        <div class={`table-box${outdated ? ' outdated' : ''}`}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Action</th>
                <th scope="col">User</th>
                <th scope="col" class="hide-s">
                  Reason
                </th>
                <th scope="col" class="hide-m">
                  Address
                </th>
                <th scope="col" class="right">
                  When
                </th>
              </tr>
            </thead>
            <tbody>
              {value.entries.map((entry, index) => (
                <AuditRow key={`${entry.at} ${index}`} entry={entry} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(next !== null || before !== null) && (
        <nav class="pager" aria-label="Pages of the list">
          <span class="dim">{count(value?.entries.length ?? 0)} on this page</span>
          <span class="pager-buttons">
            {before !== null && (
              <button type="button" class="button" onClick={() => setSearch({ before: null }, false)}>
                First page
              </button>
            )}
            <button
              type="button"
              class="button"
              disabled={next === null}
              onClick={() => setSearch({ before: String(next) }, false)}
            >
              Next page
            </button>
          </span>
        </nav>
      )}
    </>
  );
}

function AuditRow({ entry }: { entry: AuditLine }): JSX.Element {
  const { at, user, role, action, target, reason, address } = entry;
  return (
    <tr>
      <td class="wide-cell">
        <span class="strong">{action}</span>
        <span class="second" title={target.slice(0, 1_000)}>
          {target.slice(0, 300)}
        </span>
      </td>
      <td>
        {user} <span class="dim">{role}</span>
      </td>
      <td class="hide-s">{reason === '' ? <span class="dim">–</span> : reason}</td>
      <td class="hide-m">{address === '' ? <span class="dim">–</span> : address}</td>
      <td class="right">
        <Time at={timeOf(at)} />
      </td>
    </tr>
  );
}

/** Null: the entry has no valid time. */
function timeOf(at: string): number | null {
  const time = Date.parse(at);
  return Number.isNaN(time) ? null : time;
}
