// The calendar of the next 24 hours: a row for each hour, a cell for each minute.
import type { JSX } from 'preact';
import type { Calendar, CalendarMinute } from '../../server/pages/calendar.ts';
import { answer, api, useLoaded } from '../api.ts';
import { count, plural } from '../format.ts';
import { useRefresh } from '../live.ts';
import { timeStyle } from '../preferences.ts';
import { Empty, FaultNote, Loading } from '../ui/notice.tsx';

export function ScheduleCalendar(): JSX.Element {
  const { value, fault, reload } = useLoaded('calendar', () => answer(api.schedules.calendar.$get()));
  useRefresh(reload, 30_000, 30_000);
  if (value === null) return fault === null ? <Loading /> : <FaultNote fault={fault} retry={reload} />;
  const { etas } = value;
  if (value.minutes.length === 0 && etas.quarters.length === 0 && etas.problem === null)
    return <Empty kind="nothing" title="Nothing is due in the next 24 hours" />;
  const isUtc = timeStyle.value === 'utc';
  const hours = hoursOf(value.minutes, etas.quarters, isUtc);
  const usual = median(value.minutes.map(({ due }) => due));
  const most = Math.max(1, ...value.minutes.map(({ runs }) => runs));
  const mostTasks = Math.max(1, ...etas.quarters.map(([, tasks]) => tasks));
  return (
    <>
      <p class="dim calendar-note">
        The darker a minute, the more runs; the busiest has {count(most)}. Amber: more schedules than usual in
        one minute. The line below: tasks that wait for their time (an eta, a countdown, the delay of a
        retry), by the quarter of an hour. Times are {isUtc ? 'UTC' : 'those of this computer'}.
      </p>
      {etas.problem !== null && (
        <p class="dim calendar-note">Tasks that wait for their time are unknown: {etas.problem}.</p>
      )}
      <div class="table-box">
        <table class="table calendar">
          <thead>
            <tr>
              <th scope="col">Hour</th>
              <th scope="col">Minutes</th>
              <th scope="col" class="right">
                Runs
              </th>
              <th scope="col" class="right">
                Tasks
              </th>
              <th scope="col" class="hide-s">
                Due
              </th>
            </tr>
          </thead>
          <tbody>
            {hours.map((hour) => (
              <HourRow
                key={hour.at}
                hour={hour}
                names={value.names}
                usual={usual}
                most={most}
                mostTasks={mostTasks}
                isKnown={etas.problem === null}
                isUtc={isUtc}
              />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

interface Hour {
  readonly at: number;
  readonly minutes: readonly CalendarMinute[];
  /** Tasks that wait for their time, by the quarter. */
  readonly quarters: Calendar['etas']['quarters'];
}

const [minuteMs, hourMs] = [60_000, 3_600_000];

/** Hours of the shown zone, also those in which nothing is due. Some zones differ from UTC by half an hour. */
function hoursOf(
  minutes: readonly CalendarMinute[],
  quarters: Hour['quarters'],
  isUtc: boolean,
): readonly Hour[] {
  const hours = new Map<number, CalendarMinute[]>();
  const offsetOf = (at: number): number => (isUtc ? 0 : -new Date(at).getTimezoneOffset() * minuteMs);
  const beginOf = (at: number): number => {
    const offset = offsetOf(at);
    return Math.floor((at + offset) / hourMs) * hourMs - offset;
  };
  const now = Date.now();
  for (let at = beginOf(now); at < now + 24 * hourMs; at += hourMs) hours.set(beginOf(at), []);
  for (const minute of minutes) {
    const at = beginOf(minute.at);
    const own = hours.get(at);
    if (own === undefined) hours.set(at, [minute]);
    else own.push(minute);
  }
  return [...hours]
    .sort(([a], [b]) => a - b)
    .map(([at, own]) => ({
      at,
      minutes: own.sort((a, b) => a.at - b.at),
      quarters: quarters.filter(([begin]) => beginOf(begin) === at),
    }));
}

function HourRow({
  hour,
  names,
  usual,
  most,
  mostTasks,
  isKnown,
  isUtc,
}: {
  hour: Hour;
  names: Calendar['names'];
  usual: number;
  most: number;
  mostTasks: number;
  isKnown: boolean;
  isUtc: boolean;
}): JSX.Element {
  const tasks = hour.quarters.reduce((sum, [, each]) => sum + each, 0);
  const runs = hour.minutes.reduce((sum, each) => sum + each.runs, 0);
  const word = clockOf(hour.at, isUtc);
  return (
    <tr>
      <th scope="row" class="num">
        {word}
      </th>
      <td class="calendar-cell">
        <svg
          viewBox="0 0 240 18"
          preserveAspectRatio="none"
          role="img"
          aria-label={`${word}: ${plural(runs, 'run')}, ${plural(tasks, 'task')}`}
        >
          <line class="grid-line" x1="0" x2="240" y1="17.500" y2="17.500" />
          {hour.minutes.map((minute) => (
            <rect
              key={minute.at}
              class={minute.due > usual ? 'fill-amber' : 'fill-accent'}
              x={((minute.at - hour.at) / minuteMs) * 4}
              width="3.200"
              y="1"
              height="11"
              style={{ opacity: 0.35 + 0.65 * (Math.log1p(minute.runs) / Math.log1p(most)) }}
            >
              <title>{minuteText(minute, names, isUtc)}</title>
            </rect>
          ))}
          {hour.quarters.map(([at, own]) => (
            <rect
              key={`tasks ${at}`}
              class="fill-green"
              x={((at - hour.at) / minuteMs) * 4}
              width="59"
              y="13"
              height="4"
              style={{ opacity: 0.35 + 0.65 * (Math.log1p(own) / Math.log1p(mostTasks)) }}
            >
              <title>{`from ${clockOf(at, isUtc)}: ${plural(own, 'task')}`}</title>
            </rect>
          ))}
        </svg>
      </td>
      <td class="right num">{runs === 0 ? <span class="dim">0</span> : count(runs)}</td>
      <td class="right num">{!isKnown ? '–' : tasks === 0 ? <span class="dim">0</span> : count(tasks)}</td>
      <td class="hide-s calendar-due">{dueOf(hour, names, isUtc)}</td>
    </tr>
  );
}

/** `14:05 nightly; 14:30 2 schedules`; schedules that are due often in the hour are counted: `pulse ×60`. */
function dueOf({ minutes }: Hour, names: Calendar['names'], isUtc: boolean): JSX.Element {
  const times = new Map<string, { runs: number; at: readonly number[] }>();
  for (const { at, schedules } of minutes)
    for (const [number, runs] of schedules) {
      const name = names[number] ?? '';
      const before = times.get(name);
      times.set(name, { runs: (before?.runs ?? 0) + runs, at: [...(before?.at ?? []), at] });
    }
  const all = [...times].sort(([, a], [, b]) => a.runs - b.runs);
  const others = Math.max(...minutes.map(({ due, schedules }) => due - schedules.length), 0);
  return (
    <span class="chips">
      {all.slice(0, shownSchedules).map(([name, { runs, at }]) => (
        <span
          key={name}
          class="chip"
          title={at
            .slice(0, 12)
            .map((each) => clockOf(each, isUtc))
            .join(' ')}
        >
          {name} {runs === 1 ? clockOf(at[0] ?? 0, isUtc) : `×${count(runs)}`}
        </span>
      ))}
      {all.length > shownSchedules && <span class="dim">+{all.length - shownSchedules}</span>}
      {others > 0 && <span class="dim">and others</span>}
    </span>
  );
}

const shownSchedules = 6;

function minuteText(
  { at, runs, due, schedules }: CalendarMinute,
  names: Calendar['names'],
  isUtc: boolean,
): string {
  const each = schedules.map(([number, own]) => `${names[number]}${own === 1 ? '' : ` ×${own}`}`);
  const others = due > schedules.length ? `\nand ${plural(due - schedules.length, 'other')}` : '';
  return `${clockOf(at, isUtc)}: ${plural(runs, 'run')}\n${each.join('\n')}${others}`;
}

function clockOf(at: number, isUtc: boolean): string {
  const time = new Date(at);
  const [hours, minutes] = isUtc
    ? [time.getUTCHours(), time.getUTCMinutes()]
    : [time.getHours(), time.getMinutes()];
  return `${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
}
