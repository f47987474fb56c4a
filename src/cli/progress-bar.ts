import type { Output } from './output.ts';

/** How far a long work is. */
interface Bar {
  setTotal(total: number): void;
  update(done: number): void;
  stop(): void;
}

/** Shown on a terminal only. `things`: what is counted. */
export async function progressBar(output: Output, total: number, things: string): Promise<Bar> {
  if (output.json || !process.stderr.isTTY)
    return { setTotal: () => undefined, update: () => undefined, stop: () => undefined };
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({
    format: `{bar} {percentage}% · {value}/{total} ${things} · {speed}/s · {eta_formatted} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    stream: process.stderr,
  });
  const began = performance.now();
  bar.start(total, 0, { speed: '-' });
  return {
    setTotal: (count) => bar.setTotal(count),
    update: (done) => {
      if (done > bar.getTotal()) bar.setTotal(done);
      bar.update(done, { speed: Math.round((1000 * done) / Math.max(1, performance.now() - began)) });
    },
    stop: () => bar.stop(),
  };
}
