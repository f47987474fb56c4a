// What a task has logged.
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { TaskRecord } from '../../../history/record.ts';
import { Time } from '../ui/time.tsx';

/** Nearer to the end than this, in pixels, counts as the end: scrolled heights are rounded. */
const nearPx = 4;

/** The last lines that a task logged. It shows the newest, also when more come, until the reader scrolls back. */
export function TaskLog({ lines }: { lines: TaskRecord['log'] }): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const { current: log } = element;
    if (log !== null && isAtEnd.current) log.scrollTop = log.scrollHeight;
  });
  return (
    <div
      ref={element}
      class="log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < nearPx;
      }}
    >
      {lines.map(({ at, level, message }, index) => (
        <div key={`${at} ${index}`} class={`log-line log-${level ?? 'info'}`}>
          <Time at={at} />
          <span class="log-level">{level ?? ''}</span>
          <span class="log-text">{message}</span>
        </div>
      ))}
    </div>
  );
}
