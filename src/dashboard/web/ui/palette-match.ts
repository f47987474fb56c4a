// Which entries of the command palette fit what is typed. Pure.

export interface PaletteEntry {
  /** `Page`, `Queue` … */
  readonly kind: string;
  readonly label: string;
  /** Other words by which it is found. */
  readonly also?: string;
  /** The keys that do the same. */
  readonly keys?: string;
  readonly run: () => void;
}

const maxShown = 12;

/** The best first: each typed word must be in the entry. Without text, the first entries. */
export function matching(entries: readonly PaletteEntry[], typed: string): readonly PaletteEntry[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return entries
    .map((entry, index) => ({ entry, index, rank: rankOf(entry, words) }))
    .filter(({ rank }) => rank !== null)
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0) || a.index - b.index)
    .slice(0, maxShown)
    .map(({ entry }) => entry);
}

/** 0: the label begins with the text; then labels with words that begin so; then all others. Null: it does not fit. */
function rankOf({ kind, label, also = '' }: PaletteEntry, words: readonly string[]): number | null {
  const text = label.toLowerCase();
  const all = `${text} ${kind.toLowerCase()} ${also.toLowerCase()}`;
  if (!words.every((word) => all.includes(word))) return null;
  if (text.startsWith(words.join(' '))) return 0;
  const parts = text.split(/[\s._@:/-]+/);
  return words.every((word) => parts.some((part) => part.startsWith(word))) ? 1 : 2;
}

/** Whether the text may be the id of a task: of 8 to 512 characters, with a digit, and no space. */
export function mayBeId(typed: string): boolean {
  return /^(?=.*\d)\S{8,512}$/.test(typed.trim());
}
