// The user's preferences, stored in the browser.
import { effect, type Signal, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
type TimeStyle = 'relative' | 'local' | 'utc';

export const theme = stored<Theme>('theme', ['system', 'light', 'dark']);
export const timeStyle = stored<TimeStyle>('time', ['relative', 'local', 'utc']);
export const density = stored<'comfortable' | 'compact'>('density', ['comfortable', 'compact']);
/** Shortcuts of a single letter. Users of speech input can switch them off. */
export const shortcuts = stored<'on' | 'off'>('shortcuts', ['on', 'off']);

/** The first choice is the default. */
function stored<Choice extends string>(
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Signal<Choice> {
  const key = `umbel.${name}`;
  const choice = signal<Choice>(choices.find((each) => each === read(key)) ?? choices[0]);
  effect(() => write(key, choice.value));
  return choice;
}

/** A query of tasks with a name. */
interface SavedView {
  readonly name: string;
  readonly query: string;
  readonly sort: string | null;
}

const viewsKey = 'umbel.views';

export const savedViews = signal<readonly SavedView[]>(readViews());
effect(() => write(viewsKey, JSON.stringify(savedViews.value)));

/** Other text than ours, or none, is no view. */
function readViews(): readonly SavedView[] {
  try {
    const kept: unknown = JSON.parse(read(viewsKey) ?? '[]');
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((each: Partial<SavedView> | null) => {
      const { name, query, sort } = each ?? {};
      if (typeof name !== 'string' || typeof query !== 'string') return [];
      return [{ name, query, sort: typeof sort === 'string' ? sort : null }];
    });
  } catch {
    return [];
  }
}

// A browser may forbid storage. Then a preference lasts until the page is closed.
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {}
}

export function applyPreferences(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    document.documentElement.dataset.density = density.value;
  });
}
