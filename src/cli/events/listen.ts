// Listening while something runs: workers are asked to tell of their tasks, also those that come later.
import type { App } from '../../app/app.ts';
import { Control } from '../../control/control.ts';
import { endBySignal, stoppingInOrder } from '../stop-signals.ts';

/** How often workers are asked: those that come later are to do so, too. */
const enableEveryMs = 5_000;

/** A control whose workers are asked again and again to tell of their tasks, until it is disposed. */
export async function enablingControl(
  app: App,
  enable: boolean,
): Promise<AsyncDisposable & { readonly control: Control }> {
  const control = new Control(app);
  const ask = (): void => void control.tell('enable_events').catch(() => undefined);
  if (enable) ask();
  const asking = enable ? setInterval(ask, enableEveryMs) : undefined;
  return {
    control,
    async [Symbol.asyncDispose]() {
      clearInterval(asking);
      await control[Symbol.asyncDispose]();
    },
  };
}

/** What is asked to end by a signal, and has not, ends so much later: the broker may not answer. Milliseconds. */
const endingMs = 3_000;

/** Aborted by Ctrl-C, SIGTERM and SIGHUP, until it is disposed. A second one ends the process. */
export function endOfCommand(): Disposable & { readonly signal: AbortSignal; end(): void } {
  const ending = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const ordered = stoppingInOrder();
  const stop = (signal: NodeJS.Signals): void => {
    off();
    setTimeout(() => endBySignal(signal), endingMs).unref(); // also when what is left is to be closed
    ending.abort();
  };
  const off = (): void => {
    for (const name of signals) process.off(name, stop);
    ordered[Symbol.dispose]();
  };
  for (const name of signals) process.on(name, stop);
  return {
    signal: ending.signal,
    end: () => ending.abort(),
    [Symbol.dispose]: off,
  };
}

/** Resolves after so long, or at once when aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
