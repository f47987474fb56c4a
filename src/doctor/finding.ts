/** A finding of a check. */
export interface Finding {
  /** A stable name of the check: `time-limits`. */
  readonly check: string;
  readonly level: 'error' | 'warning' | 'note';
  /** The fact. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** How to fix it. */
  readonly fix: string;
}

/** `a, b, c and 4 more`. */
export function listed(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
