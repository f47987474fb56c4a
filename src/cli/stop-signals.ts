// A signal to stop ends a command at any moment of its life: by itself while it starts, in order from then on.
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;

type StopSignal = (typeof signals)[number];

/** The process is that of the command, and nobody else's. */
let isOurs = false;
/** How many parts of the command stop in order now. */
let inOrder = 0;

/**
 * To be called first. While nothing stops in order, a signal ends the process, also when the user's module listens to it. As long as nobody
 * listens, neither do we: the system ends the process, in an endless loop, too. Only the first process of a container has no such
 * defaults: there the kernel throws away a signal to which nobody listens.
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

/** From now until it is disposed somebody else sees to it that a signal ends the command. */
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

/** Ends the process as one that this signal has ended; not the process of somebody who runs a command within it. */
export function endBySignal(signal: NodeJS.Signals): void {
  if (isOurs) process.exit(128 + constants.signals[signal]);
}

function end(signal: NodeJS.Signals): void {
  if (inOrder === 0) endBySignal(signal);
}

function isStop(name: string | symbol): name is StopSignal {
  return (signals as readonly (string | symbol)[]).includes(name);
}
