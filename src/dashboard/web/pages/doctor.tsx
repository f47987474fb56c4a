// Doctor: common mistakes in the application, the broker and the workers; and which worker knows which task.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { DoctorReport } from '../../server/pages/doctor.ts';
import { answer, api, useLoaded } from '../api.ts';
import { plural } from '../format.ts';
import { search, setSearch } from '../router.ts';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { type Tab, Tabs } from '../ui/tabs.tsx';
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
  const { value, fault, reload } = useLoaded('doctor', () => answer(api.doctor.$get()));
  const [busy, setBusy] = useState(false);
  const again = async (): Promise<void> => {
    setBusy(true);
    await reload();
    setBusy(false);
  };
  return (
    <>
      <div class="tab-head">
        <span class="dim">{value === null ? 'Checking takes a few seconds.' : summaryOf(value)}</span>
        <button type="button" class="button" disabled={busy || value === null} onClick={() => void again()}>
          {busy ? 'Checking…' : 'Check again'}
        </button>
      </div>
      {fault !== null && <FaultNote fault={fault} retry={reload} />}
      {value === null && fault === null && <Loading />}
      {value?.findings.length === 0 && (
        <Empty kind="good" title="No problems found">
          The checks found no common mistake.
        </Empty>
      )}
      {value !== null && value.findings.length > 0 && (
        <ul class="stack">
          {value.findings.map(({ check, level, what, why, fix }) => (
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
      {value !== null && (
        <p class="dim">
          {value.hasTasks
            ? 'The source files of the application are not read here: '
            : 'The tasks of the application are not examined, because its code is not loaded here: '}
          <code>umbel -A ./app.ts doctor</code>
        </p>
      )}
    </>
  );
}

function summaryOf({ findings }: DoctorReport): string {
  const of = (level: keyof typeof tones): number => findings.filter((each) => each.level === level).length;
  return `${plural(of('error'), 'error')}, ${plural(of('warning'), 'warning')}, ${plural(of('note'), 'note')}`;
}
