// Listening while something runs: workers are asked to tell of their tasks, also those that come later.
import type { App } from '../../app/app.ts';
import { Control } from '../../control/control.ts';

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

/** Aborted by Ctrl-C and SIGTERM, until it is disposed. */
export function endOfCommand(): Disposable & { readonly signal: AbortSignal; end(): void } {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, end);
  return {
    signal: ending.signal,
    end,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, end);
    },
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
