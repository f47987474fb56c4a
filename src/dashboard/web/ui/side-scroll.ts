// A row of buttons that is wider than a phone, and scrolls sideways.
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** The row is scrolled so that its chosen button is in the middle. `chosen`: which one it is; when it changes, the row is scrolled again. */
export function useSideScroll(chosen: string | null): RefObject<HTMLDivElement | null> {
  const row = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    void chosen; // a change scrolls again
    const button = row.current?.querySelector('[aria-selected=true], [aria-pressed=true]');
    if (row.current === null || button == null) return;
    // Not scrollIntoView: it may scroll the page, too.
    const [whole, part] = [row.current.getBoundingClientRect(), button.getBoundingClientRect()];
    row.current.scrollLeft += part.left - whole.left - (whole.width - part.width) / 2;
  }, [chosen]);
  return row;
}
