import type { JSX } from 'preact';
import { localTime, relative, utcTime } from '../format.ts';
import { clock } from '../live.ts';
import { timeStyle } from '../preferences.ts';

const dayMs = 86_400_000;

/** A time, milliseconds since 1970, in the user's preferred format. The tooltip has the full time. `isFull`: never only relative. */
export function Time({ at, isFull = false }: { at: number | null; isFull?: boolean }): JSX.Element {
  if (at === null || Math.abs(at) > 8e15) return <span class="dim">–</span>;
  const now = clock.value;
  const style = timeStyle.value;
  const text =
    style === 'utc'
      ? utcTime(at)
      : style === 'local' || isFull || Math.abs(now - at) > 7 * dayMs
        ? localTime(at)
        : relative(at, now);
  return (
    <time
      class="num"
      dateTime={new Date(at).toISOString()}
      title={`${localTime(at, true)} here\n${utcTime(at, true)}`}
    >
      {text}
    </time>
  );
}
