import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ScheduleLine } from '../../server/pages/schedules.ts';
import { answer, api, may, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { clock, useRefresh } from '../live.ts';
import { link, navigate, search, setSearch, taskLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import { run } from '../ui/dialog.tsx';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';
import { PageHead } from '../ui/page-head.tsx';
import { State } from '../ui/state.tsx';
import { type Tab, Tabs } from '../ui/tabs.tsx';
import { Time } from '../ui/time.tsx';
import { ScheduleCalendar } from './schedule-calendar.tsx';
import { ScheduleFormDialog } from './schedule-form.tsx';

export function SchedulesPage(): JSX.Element {
  const { value, fault, reload } = useLoaded('schedules', () => answer(api.schedules.$get()));
  useRefresh(reload, 5_000, 10_000);
  const [changed, setChanged] = useState<ScheduleLine['form']>(null);
  const isAdding = search.value.has('add') && may('schedules');
  const tab = search.value.get('tab') === 'calendar' ? 'calendar' : 'list';
  const schedules = value?.schedules ?? [];
  return (
    <>
      <PageHead
        title="Schedules"
        sub={
          value === null
            ? undefined
            : `${plural(schedules.length, 'schedule')}, ${plural(
                schedules.reduce((sum, { day }) => sum + day.runs, 0),
                'run',
              )} in the next 24 hours`
        }
      >
        <Act needs="schedules">
          <button type="button" class="button button-primary" onClick={() => setSearch({ add: 'yes' })}>
            Add a schedule…
          </button>
        </Act>
      </PageHead>
      <Tabs
        tabs={tabs}
        current={tab}
        label="Schedules"
        onSelect={(name) => {
          navigate(link('/schedules', { tab: name === 'list' ? null : name }));
        }}
      >
        {tab === 'calendar' ? (
          <ScheduleCalendar />
        ) : value === null ? (
          fault === null ? (
            <Loading />
          ) : (
            <FaultNote fault={fault} retry={reload} />
          )
        ) : (
          <ScheduleList
            schedules={schedules}
            onChange={(schedule) => setChanged(schedule.form)}
            reload={reload}
          />
        )}
      </Tabs>
      {(changed !== null || isAdding) && (
        <ScheduleFormDialog
          before={changed}
          onClose={() => {
            setChanged(null);
            setSearch({ add: null });
          }}
          onDone={reload}
        />
      )}
    </>
  );
}

const tabs: readonly Tab<'list' | 'calendar'>[] = [
  { name: 'list', label: 'List' },
  { name: 'calendar', label: 'Next 24 hours' },
];

function ScheduleList({
  schedules,
  onChange,
  reload,
}: {
  schedules: readonly ScheduleLine[];
  onChange: (schedule: ScheduleLine) => void;
  reload: () => Promise<void>;
}): JSX.Element {
  const open = search.value.get('open');
  const setOpen = (name: string | null): void => setSearch({ open: name });
  return (
    <>
      {schedules.length === 0 && (
        <Empty kind="nothing" title="No schedules">
          <p>The code declares none, and none was added:</p>
          <p>
            <code>umbel -A ./app.ts schedule add nightly --cron '0 3 * * *' --task shop.report</code>
          </p>
        </Empty>
      )}
      {schedules.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Schedule</th>
                <th scope="col" class="hide-s">
                  When
                </th>
                <th scope="col">State</th>
                <th scope="col" class="right hide-m">
                  Sent
                </th>
                <th scope="col" class="right hide-s">
                  Last
                </th>
                <th scope="col" class="right">
                  Next
                </th>
                <th scope="col" class="hide-m">
                  Next 24 hours
                </th>
                <th scope="col" class="right hide-s">
                  <span class="off-screen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {schedules.map((schedule) => (
                <ScheduleRow
                  key={schedule.name}
                  schedule={schedule}
                  open={open === schedule.name}
                  onOpen={() => setOpen(open === schedule.name ? null : schedule.name)}
                  onChange={() => onChange(schedule)}
                  reload={reload}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

const tones = { active: 'green', paused: 'amber', disabled: 'stone', declared: 'blue' } as const;

function ScheduleRow(props: {
  schedule: ScheduleLine;
  open: boolean;
  onOpen: () => void;
  onChange: () => void;
  reload: () => Promise<void>;
}): JSX.Element {
  const { schedule, open, onOpen, onChange, reload } = props;
  const { name, state, sent, lastAt, lastTaskId, nextAt, day, task } = schedule;
  return (
    <>
      <tr>
        <td class="wide-cell">
          <button type="button" class="link-button strong" aria-expanded={open} onClick={onOpen}>
            {name}
          </button>
          <span class="second">{task}</span>
        </td>
        <td class="hide-s mono">{schedule.schedule}</td>
        <td>
          <span class={`badge tone-${tones[state]}`}>{state}</span>
        </td>
        <td class="right num hide-m">{count(sent)}</td>
        <td class="right hide-s">
          {lastTaskId === null ? (
            <Time at={lastAt} />
          ) : (
            <a href={taskLink(lastTaskId)}>
              <Time at={lastAt} />
            </a>
          )}
        </td>
        <td class="right">
          <Time at={nextAt} />
        </td>
        <td class="hide-m">
          <DayLine day={day} name={name} />
        </td>
        <td class="right hide-s">
          <span class="row-actions">
            <RunActions schedule={schedule} reload={reload} />
          </span>
        </td>
      </tr>
      {open && (
        <tr class="sub-row-box">
          <td colSpan={8}>
            <Runs name={name} schedule={schedule} />
            <div class="schedule-actions">
              <span class="row-actions show-s">
                <RunActions schedule={schedule} reload={reload} />
              </span>
              <ChangeActions schedule={schedule} onChange={onChange} reload={reload} />
            </div>
          </td>
        </tr>
      )}
    </>
  );
}

/** Changing and deleting, or why this cannot be done here. */
function ChangeActions({
  schedule: { name, task, fixed, fromCode },
  onChange,
  reload,
}: {
  schedule: ScheduleLine;
  onChange: () => void;
  reload: () => Promise<void>;
}): JSX.Element {
  return (
    <>
      {fixed !== null && <p class="dim">{fixed}</p>}
      <Act needs="schedules">
        <span class="row-actions">
          {fixed === null && (
            <button type="button" class="button button-small" onClick={onChange}>
              Change…
            </button>
          )}
          {!fromCode && (
            <AskButton
              small
              look="danger"
              ask={() => ({
                title: `Delete ${name}`,
                verb: 'Delete',
                danger: true,
                effect: (
                  <p>
                    <b>{task}</b> is not sent on this schedule any more, and the list of its runs is deleted.
                    Tasks that were sent stay.
                  </p>
                ),
                act: async (why) => {
                  await answer(api.schedules[':name'].$delete({ query: why, param: { name } }));
                  await reload();
                  return 'It is deleted.';
                },
              })}
            >
              Delete…
            </AskButton>
          )}
        </span>
      </Act>
    </>
  );
}

function RunActions({
  schedule: { name, task, state },
  reload,
}: {
  schedule: ScheduleLine;
  reload: () => Promise<void>;
}): JSX.Element {
  const change = (verb: 'pause' | 'resume'): Promise<void> =>
    run(`${verb === 'pause' ? 'Pause' : 'Resume'} ${name}`, async () => {
      await answer(api.schedules[':name'][':verb{pause|resume}'].$post({ query: {}, param: { name, verb } }));
      await reload();
      return verb === 'pause' ? 'Nothing is sent until it is resumed.' : 'It is sent again from now on.';
    });
  return (
    <Act needs="run">
      {state === 'paused' ? (
        <button type="button" class="button button-small" onClick={() => void change('resume')}>
          Resume
        </button>
      ) : (
        <button
          type="button"
          class="button button-small"
          disabled={state === 'disabled'}
          onClick={() => void change('pause')}
        >
          Pause
        </button>
      )}
      <AskButton
        small
        ask={() => ({
          title: `Run ${name} now`,
          verb: 'Run now',
          effect: (
            <p>
              Sends <b>{task}</b> once, now, beside its schedule.
            </p>
          ),
          act: async (why) => {
            const { id } = await answer(api.schedules[':name'].run.$post({ query: why, param: { name } }));
            await reload();
            return `Sent as ${id}.`;
          },
        })}
      >
        Run now…
      </AskButton>
    </Act>
  );
}

const dayMs = 86_400_000;

/** The runs of the next 24 hours. */
function DayLine({ day, name }: { day: ScheduleLine['day']; name: string }): JSX.Element {
  const [width, height] = [144, 16];
  const now = clock.value;
  return (
    <svg
      class="day-line"
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`${name}: ${plural(day.runs, 'run')} in the next 24 hours`}
    >
      <line class="grid-line" x1="0" x2={width} y1={height / 2} y2={height / 2} />
      {day.marks.map((at) => (
        <line
          key={at}
          class="stroke-accent"
          x1={((at - now) / dayMs) * width}
          x2={((at - now) / dayMs) * width}
          y1="3"
          y2={height - 3}
        />
      ))}
    </svg>
  );
}

function Runs({ name, schedule }: { name: string; schedule: ScheduleLine }): JSX.Element {
  const { value, fault, reload } = useLoaded(`runs ${name}`, () =>
    answer(api.schedules[':name'].runs.$get({ param: { name } })),
  );
  useRefresh(reload, 5_000, 10_000);
  return (
    <div class="columns">
      <div>
        <h2 class="small-head">Latest runs</h2>
        {fault !== null && <p class="tone-text-red">{fault.message}</p>}
        {value?.runs.length === 0 && <p class="dim">None yet.</p>}
        <ul class="plain">
          {value?.runs.slice(0, 10).map((each) => (
            <li key={`${each.dueAt} ${each.taskId}`} class="run-line">
              <Time at={each.at} />
              <span>{each.outcome}</span>
              {each.state !== null && <State state={each.state} />}
              {each.taskId !== null && <a href={taskLink(each.taskId)}>task</a>}
              {each.detail !== null && <span class="dim">{each.detail}</span>}
            </li>
          ))}
        </ul>
      </div>
      <div>
        <h2 class="small-head">Next runs</h2>
        {schedule.upcoming.length === 0 && <p class="dim">None within 24 hours.</p>}
        <ul class="plain">
          {schedule.upcoming.slice(0, 10).map((at) => (
            <li key={at}>
              <Time at={at} />
            </li>
          ))}
        </ul>
        <h2 class="small-head">Call</h2>
        <code>
          {schedule.task}{' '}
          {schedule.computed ? 'with arguments that its code makes' : `${schedule.args} ${schedule.kwargs}`}
        </code>
      </div>
    </div>
  );
}
