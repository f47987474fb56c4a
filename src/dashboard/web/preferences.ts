// What a person has chosen, kept in this browser.
import { effect, type Signal, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
type TimeStyle = 'relative' | 'local' | 'utc';

export const theme = kept<Theme>('theme', ['system', 'light', 'dark']);
export const timeStyle = kept<TimeStyle>('time', ['relative', 'local', 'utc']);
export const density = kept<'comfortable' | 'compact'>('density', ['comfortable', 'compact']);
/** The keys of one letter; people who speak to their computer turn them off. */
export const shortcuts = kept<'on' | 'off'>('shortcuts', ['on', 'off']);

/** The first choice is the default. */
function kept<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Signal<Choice> {
  const key = `umbel.${name}`;
  const choice = signal<Choice>(choices.find((each) => each === read(key)) ?? choices[0]);
  effect(() => write(key, choice.value));
  return choice;
}

// A browser may forbid storage: then a choice lasts as long as the page.
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
