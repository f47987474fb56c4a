// Doctor: common mistakes in the application, the broker and the workers.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { DoctorReport } from '../../server/pages/doctor.ts';
import { answer, api, useLoaded } from '../api.ts';
import { plural } from '../format.ts';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';

const tones = { error: 'red', warning: 'amber', note: 'blue' } as const;

export function DoctorPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('doctor', () => answer(api.doctor.$get()));
  const [busy, setBusy] = useState(false);
  const again = async (): Promise<void> => {
    setBusy(true);
    await reload();
    setBusy(false);
  };
  return (
    <>
      <PageHead title="Doctor" sub={value === null ? undefined : summaryOf(value)}>
        <button type="button" class="button" disabled={busy || value === null} onClick={() => void again()}>
          {busy ? 'Checking…' : 'Check again'}
        </button>
      </PageHead>
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
