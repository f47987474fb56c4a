import type { Output } from './output.ts';
import { shortTime } from './terminal/short.ts';

/** Shows the progress of long work. */
interface Bar {
  setTotal(total: number): void;
  update(done: number): void;
  stop(): void;
}

const barWidth = 24;
/** Shortest time between two drawings, milliseconds. */
const drawEveryMs = 100;

/** A bar that is shown on a terminal only. `things`: the counted things, in the plural. */
export function progressBar(output: Output, total: number, things: string): Bar {
  if (output.json || !process.stderr.isTTY)
    return { setTotal: () => undefined, update: () => undefined, stop: () => undefined };
  const began = performance.now();
  let [all, done, drawnAt] = [total, 0, 0];
  const draw = (): void => {
    drawnAt = performance.now();
    process.stderr.write(`\r${barLine(done, all, things, drawnAt - began)}\x1b[K`);
  };
  draw();
  return {
    setTotal: (count) => {
      all = count;
    },
    update: (count) => {
      done = count;
      if (performance.now() - drawnAt >= drawEveryMs) draw();
    },
    stop: () => {
      draw();
      process.stderr.write('\n');
    },
  };
}

/** `████░░░░ 50% · 5/10 tasks · 12/s · 3.2s left`. */
export function barLine(done: number, total: number, things: string, elapsedMs: number): string {
  const all = Math.max(done, total);
  const share = all === 0 ? 0 : done / all;
  const full = Math.round(share * barWidth);
  const perSecond = (1000 * done) / Math.max(1, elapsedMs);
  const left = perSecond === 0 ? '-' : shortTime((all - done) / perSecond);
  const bar = '█'.repeat(full) + '░'.repeat(barWidth - full);
  return `${bar} ${Math.round(100 * share)}% · ${done}/${all} ${things} · ${Math.round(perSecond)}/s · ${left} left`;
}
