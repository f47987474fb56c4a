// Doctor: common mistakes in the application, the broker and the workers; and which worker knows which task.
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { Finding } from '../../../doctor/finding.ts';
import { answer, api, useLoaded } from '../api.ts';
import { plural } from '../format.ts';
import { useReloadSoon } from '../live.ts';
import { search, setSearch } from '../router.ts';
import { Empty, FaultNote, Loading, Warning } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { type Tab, Tabs } from '../ui/tabs.tsx';
import { Time } from '../ui/time.tsx';
import { TaskMatrixTable } from './task-matrix.tsx';

const tones = { error: 'red', warning: 'amber', note: 'blue' } as const;

const tabs: readonly Tab<'findings' | 'tasks'>[] = [
  { name: 'findings', label: 'Findings' },
  { name: 'tasks', label: 'Tasks and workers' },
];

export function DoctorPage(): JSX.Element {
  const tab = search.value.get('tab') === 'tasks' ? 'tasks' : 'findings';
  return (
    <>
      <PageHead title="Doctor" sub="Common mistakes in the application, its broker and its workers" />
      <Tabs
        tabs={tabs}
        current={tab}
        label="Doctor"
        onSelect={(name) => setSearch({ tab: name === 'findings' ? null : name }, false)}
      >
        {tab === 'findings' ? <Findings /> : <TaskMatrixTable />}
      </Tabs>
    </>
  );
}

function Findings(): JSX.Element {
  const again = useRef(false);
  const { value, fault, reload } = useLoaded('doctor', () => {
    const query = { again: again.current ? 'true' : 'false' } as const;
    again.current = false;
    return answer(api.doctor.$get({ query }));
  });
  useReloadSoon(value?.examining === true, value, reload);
  const examineAgain = (): void => {
    again.current = true;
    void reload();
  };
  const findings = value?.findings ?? null;
  return (
    <>
      <div class="tab-head">
        <span class="dim">
          {findings === null ? (
            'Checking takes a few seconds.'
          ) : (
            <>
              {summaryOf(findings)}, found <Time at={value?.at ?? null} />
            </>
          )}
        </span>
        <button
          type="button"
          class="button"
          disabled={value === null || value.examining}
          onClick={examineAgain}
        >
          {value?.examining === true ? 'Checking…' : 'Check again'}
        </button>
      </div>
      {fault !== null && <FaultNote fault={fault} retry={reload} />}
      {value !== null && value.problem !== null && (
        <Warning tone="red">
          <b>The last check failed.</b> {value.problem}
        </Warning>
      )}
      {findings === null && fault === null && (value === null || value.examining) && <Loading />}
      {findings?.length === 0 && (
        <Empty kind="good" title="No problems found">
          The checks found no common mistake.
        </Empty>
      )}
      {findings !== null && findings.length > 0 && (
        <ul class="stack">
          {findings.map(({ check, level, what, why, fix }) => (
            <li key={`${check} ${what}`} class="panel">
              <div class="panel-body finding">
                <p>
                  <span class={`badge tone-${tones[level]}`}>{level}</span> <b>{what}</b>
                </p>
                <dl class="facts">
                  <div>
                    <dt>Why</dt>
                    <dd>{why}</dd>
                  </div>
                  <div>
                    <dt>Fix</dt>
                    <dd>{fix}</dd>
                  </div>
                </dl>
              </div>
            </li>
          ))}
        </ul>
      )}
      {value !== null && findings !== null && (
        <p class="dim page-foot">
          {value.hasTasks
            ? 'The source files of the application are not read here: '
            : 'The tasks of the application are not examined, because its code is not loaded here: '}
          <code>umbel -A ./app.ts doctor</code>
        </p>
      )}
    </>
  );
}

function summaryOf(findings: readonly Finding[]): string {
  const of = (level: keyof typeof tones): number => findings.filter((each) => each.level === level).length;
  return `${plural(of('error'), 'error')}, ${plural(of('warning'), 'warning')}, ${plural(of('note'), 'note')}`;
}
