// Keyboard shortcuts of the shown page and of all pages.
import { useEffect, useRef } from 'preact/hooks';
import { shortcuts } from './preferences.ts';

interface KeyHelp {
  readonly keys: string;
  readonly does: string;
}

type Actions = Readonly<Record<string, (event: KeyboardEvent) => void>>;

const pages: { readonly current: Actions }[] = [];
let prefix: string | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;

/** Registers shortcuts of the shown page: `j`, `Enter`, `g t` (a sequence). The latest registration of a key wins. */
export function useKeys(actions: Actions): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    pages.push(latest);
    return () => {
      pages.splice(pages.indexOf(latest), 1);
    };
  }, []);
}

export function startKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const { target } = event;
    if (target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]')) return;
    if (document.querySelector('dialog[open]') !== null) return;
    if (shortcuts.value === 'off' && event.key.length === 1 && event.key !== '?') return;
    // The browser handles these keys on buttons and links.
    if (
      (event.key === ' ' || event.key === 'Enter') &&
      target instanceof HTMLElement &&
      target.closest('button, a, summary, [role=tab]')
    )
      return;
    const key = prefix === null ? event.key : `${prefix} ${event.key}`;
    if (timer !== null) clearTimeout(timer);
    prefix = null;
    if (event.key === 'g' && key === 'g') {
      prefix = 'g';
      timer = setTimeout(() => {
        prefix = null;
      }, 1_500);
      return;
    }
    for (const { current } of [...pages].reverse()) {
      const act = current[key];
      if (act === undefined) continue;
      event.preventDefault();
      act(event);
      return;
    }
  });
}

export const keyMap: readonly (readonly [group: string, keys: readonly KeyHelp[]])[] = [
  [
    'Everywhere',
    [
      { keys: '?', does: 'This help' },
      { keys: 'Ctrl K', does: 'Go to, or do (⌘K)' },
      { keys: '/', does: 'Search tasks' },
      { keys: 'Space', does: 'Pause and go on' },
      { keys: 't', does: 'Theme: system, light, dark' },
      { keys: 'Esc', does: 'Close, or clear the selection' },
    ],
  ],
  [
    'Go to',
    [
      { keys: 'g o', does: 'Overview' },
      { keys: 'g t', does: 'Tasks' },
      { keys: 'g f', does: 'Failures' },
      { keys: 'g j', does: 'Jobs' },
      { keys: 'g q', does: 'Queues' },
      { keys: 'g k', does: 'Workers' },
      { keys: 'g s', does: 'Schedules' },
      { keys: 'g l', does: 'Limits and locks' },
      { keys: 'g d', does: 'Dead letters' },
      { keys: 'g c', does: 'Doctor' },
      { keys: 'g a', does: 'Audit log' },
    ],
  ],
  [
    'Lists',
    [
      { keys: 'j / k', does: 'Next, previous row' },
      { keys: 'Enter', does: 'Open' },
      { keys: 'x', does: 'Select (Shift: all from the last selected)' },
      { keys: 'c', does: 'Revoke the selected tasks' },
    ],
  ],
  [
    'A task',
    [
      { keys: 'c', does: 'Revoke' },
      { keys: 'y', does: 'Copy its id' },
      { keys: 'p', does: 'Open its parent' },
      { keys: 'w', does: 'Open its workflow' },
    ],
  ],
];
