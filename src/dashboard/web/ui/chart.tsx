// SVG charts. Each chart is also available as a table.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ActivityMinute } from '../../server/pages/activity.ts';
import { count, localTime, utcTime } from '../format.ts';
import { timeStyle } from '../preferences.ts';

const series = [
  { key: 'succeeded', word: 'succeeded', tone: 'green' },
  { key: 'retried', word: 'retried', tone: 'amber' },
  { key: 'failed', word: 'failed', tone: 'red' },
] as const;

const [width, height, left, bottom, top] = [720, 190, 40, 22, 8];

/** Sent and ended tasks per minute. */
export function ActivityChart({ minutes }: { minutes: readonly ActivityMinute[] }): JSX.Element {
  const [at, setAt] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const highest = Math.max(
    4,
    ...minutes.map((minute) => Math.max(minute.sent, minute.succeeded + minute.failed + minute.retried)),
  );
  const steps = ticks(highest);
  const max = steps.at(-1) ?? 4;
  const step = (width - left) / minutes.length;
  const y = (value: number): number => top + (height - top - bottom) * (1 - value / max);
  // Tasks ran that nobody has told the sending of: 0 would be wrong.
  const isSentKnown =
    minutes.some(({ sent }) => sent > 0) ||
    minutes.every(({ succeeded, failed, retried }) => succeeded + failed + retried === 0);
  const shown = at === null ? null : (minutes[at] ?? null);
  return (
    <figure class="chart">
      <figcaption class="chart-head">
        <span class="legend">
          {series.map(({ word, tone }) => (
            <span key={word}>
              <i class={`swatch fill-${tone}`} />
              {word}
            </span>
          ))}
          {isSentKnown ? (
            <span>
              <i class="swatch swatch-line" />
              sent
            </span>
          ) : (
            <span title="Senders send no events: set taskSendSentEvent">sent: not known</span>
          )}
        </span>
        <button type="button" class="link-button" onClick={() => setAsTable(!asTable)}>
          {asTable ? 'as a chart' : 'as a table'}
        </button>
      </figcaption>
      {asTable ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard
        <div class="chart-table" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Minute</th>
                {[...series.map(({ word }) => word), 'sent'].map((word) => (
                  <th key={word} scope="col" class="right">
                    {word}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {[...minutes].reverse().map((minute) => (
                <tr key={minute.at}>
                  <th scope="row">{clockOf(minute.at)}</th>
                  {[...series.map(({ key }) => key), 'sent' as const].map((key) => (
                    <td key={key} class="right num">
                      {key === 'sent' && !isSentKnown ? '–' : count(minute[key])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div class="chart-body">
          <svg
            viewBox={`0 0 ${width} ${height}`}
            preserveAspectRatio="none"
            role="img"
            aria-label={`Tasks of each minute of the last hour: ${summary(minutes, isSentKnown)}`}
            onPointerMove={(event) => {
              const box = event.currentTarget.getBoundingClientRect();
              const x = ((event.clientX - box.left) / box.width) * width - left;
              const index = Math.floor(x / step);
              setAt(index >= 0 && index < minutes.length ? index : null);
            }}
            onPointerLeave={() => setAt(null)}
          >
            {steps.map((value) => (
              <line key={value} class="grid-line" x1={left} x2={width} y1={y(value)} y2={y(value)} />
            ))}
            {minutes.map((minute, index) => (
              <Bar
                key={minute.at}
                minute={minute}
                x={left + index * step}
                step={step}
                y={y}
                faint={index === minutes.length - 1}
              />
            ))}
            {isSentKnown && (
              <path
                class="chart-line"
                d={minutes
                  .map(
                    ({ sent }, index) =>
                      `${index === 0 ? 'M' : 'L'}${left + (index + 0.5) * step} ${y(sent)}`,
                  )
                  .join('')}
              />
            )}
            {at !== null && (
              <rect
                class="chart-cursor"
                x={left + at * step}
                width={step}
                y={top}
                height={height - top - bottom}
              />
            )}
          </svg>
          <div class="axis-y" aria-hidden="true">
            {steps.map((value) => (
              <span key={value} style={{ top: `${(100 * y(value)) / height}%` }}>
                {count(value)}
              </span>
            ))}
          </div>
          <div class="axis-x" aria-hidden="true">
            {[0, 15, 30, 45, 59].map((index) => (
              <span key={index}>{clockOf(minutes[index]?.at ?? 0)}</span>
            ))}
          </div>
          {shown !== null && (
            <div class={`chart-tip${(at ?? 0) > minutes.length / 2 ? ' chart-tip-left' : ''}`}>
              <b>{clockOf(shown.at)}</b>
              {series.map(({ key, word, tone }) => (
                <span key={key}>
                  <i class={`swatch fill-${tone}`} />
                  {count(shown[key])} {word}
                </span>
              ))}
              {isSentKnown && (
                <span>
                  <i class="swatch swatch-line" />
                  {count(shown.sent)} sent
                </span>
              )}
            </div>
          )}
        </div>
      )}
    </figure>
  );
}

function Bar(props: {
  minute: ActivityMinute;
  x: number;
  step: number;
  y: (value: number) => number;
  faint: boolean;
}): JSX.Element {
  const { minute, x, step, y, faint } = props;
  let below = 0;
  return (
    <g class={faint ? 'faint' : ''}>
      {series.map(({ key, tone }) => {
        const value = minute[key];
        if (value === 0) return null;
        const from = y(below);
        below += value;
        const to = y(below);
        return (
          <rect
            key={key}
            class={`bar fill-${tone}`}
            x={x + step * 0.14}
            width={step * 0.72}
            y={to}
            height={Math.max(0.5, from - to)}
          />
        );
      })}
    </g>
  );
}

function summary(minutes: readonly ActivityMinute[], isSentKnown: boolean): string {
  return [...series, ...(isSentKnown ? ([{ key: 'sent', word: 'sent' }] as const) : [])]
    .map(({ key, word }) => `${count(minutes.reduce((sum, minute) => sum + minute[key], 0))} ${word}`)
    .join(', ');
}

function clockOf(at: number): string {
  return timeStyle.value === 'utc' ? utcTime(at).slice(11, 16) : localTime(at).slice(11, 16);
}

/** Round numbers from 0 to the first one above `highest`. */
function ticks(highest: number): readonly number[] {
  const rough = highest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power);
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, index) => index * step);
}

/** A small line chart. `label` describes it for screen readers. */
export function Spark({
  values,
  label,
  tone = 'accent',
  bars = false,
}: {
  values: readonly number[];
  label: string;
  tone?: string;
  bars?: boolean;
}): JSX.Element {
  const [w, h] = [96, 24];
  const max = Math.max(1, ...values);
  const x = (index: number): number => (values.length < 2 ? w : (index / (values.length - 1)) * w);
  const y = (value: number): number => h - 2 - (value / max) * (h - 4);
  const points = values.map((value, index) => `${x(index).toFixed(1)} ${y(value).toFixed(1)}`);
  return (
    <svg class="spark" viewBox={`0 0 ${w} ${h}`} role="img" aria-label={label} preserveAspectRatio="none">
      {bars ? (
        values.map((value, index) => (
          <rect
            key={index}
            class={value === 0 ? 'spark-zero' : `fill-${tone}`}
            x={(index / values.length) * w + 0.5}
            width={w / values.length - 1}
            y={value === 0 ? h - 2 : y(value)}
            height={value === 0 ? 1 : h - 1 - y(value)}
          />
        ))
      ) : values.length > 1 ? (
        <>
          <path class={`spark-area fill-${tone}`} d={`M0 ${h} L${points.join(' L')} L${w} ${h} Z`} />
          <path class={`spark-line stroke-${tone}`} d={`M${points.join(' L')}`} />
        </>
      ) : (
        <line class="spark-zero-line" x1="0" x2={w} y1={h - 2} y2={h - 2} />
      )}
    </svg>
  );
}
