// How a process that runs a test file ended when nobody stopped it: vitest says only that it did.
import childProcess, { type ChildProcess, type Serializable } from 'node:child_process';
import { writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'vitest';

/** In the process that runs vitest, before it starts the others: says with which code, or by which signal, one of them ended. */
export function tellHowProcessesEnd(): void {
  const { fork } = childProcess;
  const watched = (...args: Parameters<typeof fork>): ChildProcess => {
    const child = fork(...args);
    // What cannot be sent to a process that has ended is no error of its own: vitest would end of the second one, without a word.
    const send: (message: Serializable, done: () => void) => boolean = child.send.bind(child);
    child.send = (message: Serializable) => send(message, () => undefined);
    child.once('exit', (code, signal) => {
      if (!child.killed && code !== 0)
        process.stderr.write(`the test process ${child.pid} ended: ${signal ?? code}\n`);
    });
    return child;
  };
  Object.assign(childProcess, { fork: watched });
  syncBuiltinESMExports();
}

/** In a process that runs test files: says who ended it, when it was not vitest, which stops it by a signal. */
export function tellWhoEndsUs(): void {
  // A process may run several files, and loads this one for each.
  if (Reflect.get(process, watching) === true) return;
  Reflect.set(process, watching, true);
  let isAnnounced = false;
  process.on('message', (message) => {
    isAnnounced ||=
      typeof message === 'object' && message !== null && Reflect.get(message, 'type') === 'stop';
  });
  process.once('exit', (code) => {
    if (isAnnounced) return;
    const { testPath } = expect.getState();
    writeSync(
      2,
      `${new Error(`the test process ${process.pid} ends itself with code ${code}: ${testPath}`).stack}\n`,
    );
  });
}

const watching = Symbol.for('umbel.test.watching');
