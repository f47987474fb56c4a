// Listening to events until a command ends. Workers are asked to send task events, including workers that start later.
import type { App } from '../../app/app.ts';
import { Control } from '../../control/control.ts';
import { endBySignal, stoppingInOrder } from '../stop-signals.ts';

/** How often workers are asked to send task events, milliseconds, since workers may start later. */
const enableEveryMs = 5_000;

/** A control that asks workers repeatedly to send task events, until it is disposed. */
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

/** How long a command may take to end after a signal, milliseconds: the broker may not answer. */
const endingMs = 3_000;

/** A signal that Ctrl-C, SIGTERM and SIGHUP abort, until disposal. A second such signal ends the process. */
export function endOfCommand(): Disposable & { readonly signal: AbortSignal; end(): void } {
  const ending = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const ordered = stoppingInOrder();
  const stop = (signal: NodeJS.Signals): void => {
    off();
    setTimeout(() => endBySignal(signal), endingMs).unref(); // even if closing the connections hangs
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

/** Resolves after `ms` milliseconds, or at once when aborted. */
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
