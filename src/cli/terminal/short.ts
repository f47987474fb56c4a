// Numbers in a few characters.

/** A duration in a few characters: `0.4s`, `12s`, `3m20s`, `5h10m`, `12d`. */
export function shortTime(seconds: number | null): string {
  if (seconds === null) return '-';
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  if (whole < 86_400)
    return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
  return `${Math.floor(whole / 86_400)}d`;
}

/** A count in at most six characters. */
export function shortCount(count: number): string {
  if (count < 100_000) return String(count);
  if (count < 10_000_000) return `${Math.round(count / 1000)}k`;
  return `${Math.round(count / 1_000_000)}M`;
}
