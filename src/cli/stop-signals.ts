// A stop signal ends a command at any time: at once while it starts, and by an orderly stop later.
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;

type StopSignal = (typeof signals)[number];

/** Whether the process belongs to the command, and not to a program that runs the command within it. */
let isOurs = false;
/** How many parts of the command now handle stop signals by an orderly stop. */
let inOrder = 0;

/**
 * To be called first. While no part of the command does an orderly stop, a signal ends the process, even if the user's module listens to it.
 * Without other listeners we do not listen either: the operating system then ends the process, even in an endless loop. The first process of
 * a container (pid 1) has no such default, since the kernel ignores signals without listeners there. So we always listen there.
 */
export function endAtStopSignals(): void {
  isOurs = true;
  if (process.pid === 1) {
    for (const signal of signals) process.on(signal, end);
    return;
  }
  process.on('newListener', (name, listener) => {
    if (isStop(name) && listener !== end && !process.listeners(name).includes(end)) process.on(name, end);
  });
  process.on('removeListener', (name) => {
    if (isStop(name) && process.listeners(name).every((each) => each === end)) process.off(name, end);
  });
}

/** Until disposal, the caller handles stop signals and ends the command. */
export function stoppingInOrder(): Disposable {
  inOrder++;
  let isOver = false;
  return {
    [Symbol.dispose]() {
      if (!isOver) inOrder--;
      isOver = true;
    },
  };
}

/** Ends the process with the exit code of this signal, unless the process belongs to a program that runs the command within it. */
export function endBySignal(signal: NodeJS.Signals): void {
  if (isOurs) process.exit(128 + constants.signals[signal]);
}

function end(signal: NodeJS.Signals): void {
  if (inOrder === 0) endBySignal(signal);
}

function isStop(name: string | symbol): name is StopSignal {
  return (signals as readonly (string | symbol)[]).includes(name);
}
