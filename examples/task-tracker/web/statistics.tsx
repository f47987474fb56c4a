// Statistics as charts, drawn as SVG in the width that there is; each can be read as a table, too.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Statistics } from '../shared/shapes.ts';
import { useLoad } from './api.ts';
import { useShared } from './context.ts';
import { Nothing, Problem } from './parts.tsx';
import { priorityNames, statusNames } from './words.ts';

type Day = Statistics['days'][number];
type Column = 'created' | 'completed' | 'open';

export function StatisticsPage() {
  const { revision } = useShared();
  const { data, error } = useLoad<Statistics>('/tasks/statistics', revision);
  if (!data) return <Problem text={error} />;
  if (data.total === 0) return <Nothing>Statistics appear with your first task.</Nothing>;
  const open = data.by_status.todo + data.by_status.doing;
  const hours = data.average_hours;
  const tiles: readonly (readonly [name: string, value: string, address?: string])[] = [
    ['Open', String(open), '#/list'],
    ['Overdue', String(data.overdue), '#/list?due=overdue'],
    ['Due in a week', String(data.due_this_week), '#/list?due=week'],
    ['Done in time', data.on_time === null ? '–' : `${Math.round(data.on_time * 100)} %`],
    [
      'From made to done',
      hours === null ? '–' : hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} days`,
    ],
  ];
  return (
    <section class="columns statistics">
      <h1 class="unseen">Statistics</h1>
      <ul class="columns tiles">
        {tiles.map(([name, value, address]) => (
          <li key={name} class="panel">
            <span class="muted">{name}</span>
            <strong>{address ? <a href={address}>{value}</a> : value}</strong>
          </li>
        ))}
      </ul>
      <Chart title="Made and done each day" days={data.days} columns={['created', 'completed']} />
      <Chart title="Open tasks" days={data.days} columns={['open']} />
      <Shares title="By status" names={statusNames} counts={data.by_status} />
      <Shares title="Open tasks by priority" names={priorityNames} counts={data.by_priority} />
    </section>
  );
}

const names: Readonly<Record<Column, string>> = { created: 'made', completed: 'done', open: 'open' };
const height = 180;
const margin = { left: 30, right: 8, top: 10, bottom: 22 };

type Drawn = { readonly title: string; readonly days: readonly Day[]; readonly columns: readonly Column[] };

function Chart({ title, days, columns }: Drawn) {
  const figure = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState<number>();
  useEffect(() => {
    if (!figure.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(figure.current);
    return () => observer.disconnect();
  }, []);

  const step = steps(Math.max(1, ...days.flatMap((day) => columns.map((column) => day[column]))));
  const top = step * 4;
  const slot = (width - margin.left - margin.right) / days.length;
  const x = (index: number) => margin.left + index * slot;
  const y = (value: number) => margin.top + (1 - value / top) * (height - margin.top - margin.bottom);
  const shown = days[at ?? days.length - 1];
  const bar = (slot * 0.7) / columns.length;
  const line = days.map((day, index) => `${x(index + 0.5).toFixed(1)},${y(day.open).toFixed(1)}`).join(' ');
  return (
    <figure class="panel" ref={figure}>
      <figcaption class="row wrap between">
        <strong>{title}</strong>
        <span class="row small">
          {shown && short(shown.day)}
          {columns.map((column) => (
            <span key={column} class={`dot ${column}`}>
              {shown?.[column]} {names[column]}
            </span>
          ))}
        </span>
      </figcaption>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={`${title}, the last ${days.length} days; the table below has the numbers`}
          onPointerMove={(event) => {
            const from = event.currentTarget.getBoundingClientRect().left;
            const index = Math.floor((event.clientX - from - margin.left) / slot);
            setAt(Math.max(0, Math.min(days.length - 1, index)));
          }}
          onPointerLeave={() => setAt(undefined)}
        >
          {[0, 1, 2, 3, 4].map((line) => (
            <g key={line}>
              <line x1={margin.left} x2={width - margin.right} y1={y(line * step)} y2={y(line * step)} />
              <text x={margin.left - 6} y={y(line * step) + 4} text-anchor="end">
                {line * step}
              </text>
            </g>
          ))}
          {at !== undefined && <rect class="here" x={x(at)} y={y(top)} width={slot} height={y(0) - y(top)} />}
          {columns.includes('open') ? (
            <>
              <polygon points={`${x(0.5)},${y(0)} ${line} ${x(days.length - 0.5)},${y(0)}`} />
              <polyline points={line} />
            </>
          ) : (
            days.map((day, index) =>
              columns.map((column, nth) => (
                <rect
                  key={`${day.day}${column}`}
                  class={column}
                  x={x(index) + slot * 0.15 + nth * bar}
                  y={y(day[column])}
                  width={Math.max(1, bar - 1)}
                  height={y(0) - y(day[column])}
                  rx={1.5}
                />
              )),
            )
          )}
          {days.map(
            (day, index) =>
              index % (width < 500 ? 10 : 5) === 4 && (
                <text key={day.day} x={x(index + 0.5)} y={height - 5} text-anchor="middle">
                  {short(day.day)}
                </text>
              ),
          )}
        </svg>
      )}
      <details>
        <summary class="small">As a table</summary>
        <table>
          <thead>
            <tr>
              <th>Day</th>
              {columns.map((column) => (
                <th key={column}>{names[column]}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days.toReversed().map((day) => (
              <tr key={day.day}>
                <td>{day.day}</td>
                {columns.map((column) => (
                  <td key={column}>{day[column]}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

type Each<Value> = Readonly<Record<string, Value>>;
type Shared = { readonly title: string; readonly names: Each<string>; readonly counts: Each<number> };

function Shares({ title, names, counts }: Shared) {
  const most = Math.max(1, ...Object.values(counts));
  return (
    <figure class="panel">
      <figcaption>
        <strong>{title}</strong>
      </figcaption>
      <dl class="shares">
        {Object.entries(counts).map(([kind, count]) => (
          <div key={kind}>
            <dt>{names[kind]}</dt>
            <dd class="row">
              <span class={`share ${kind}`} style={{ width: `${(100 * count) / most}%` }} />
              {count}
            </dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

/** Four steps of this size reach the greatest value: 1, 2, 5, 10, … */
function steps(greatest: number): number {
  for (let size = 1; ; size *= 10)
    for (const step of [1, 2, 5]) if (4 * step * size >= greatest) return step * size;
}

function short(day: string): string {
  const parts = { day: 'numeric', month: 'short', timeZone: 'UTC' } as const;
  return new Date(`${day}T12:00:00Z`).toLocaleDateString('en-GB', parts);
}
