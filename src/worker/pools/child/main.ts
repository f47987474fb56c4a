// The entry point of a child, a process or a thread.
import { parentPort, workerData } from 'node:worker_threads';
import { outliveTerminal } from '../../../lib/terminal-gone.ts';
import { type ChildData, type FromChild, ignoredSignals, type ToChild } from './messages.ts';
import { dieWithParent } from './orphan.ts';
import { type ChildPort, serve } from './serve.ts';

if (parentPort !== null) {
  const port = parentPort;
  await serve(
    {
      post: (message) => port.postMessage(message),
      listen: (listener) => port.on('message', listener),
      leave: () => process.exit(0),
      raise: () => undefined,
    },
    workerData as ChildData, // what the pool gave
  );
} else {
  outliveTerminal();
  process.once('message', (data) => void serve(processPort(), data as ChildData)); // the pool's first message
  // The worker is gone: nothing is left to do.
  process.once('disconnect', () => process.exit(0));
  dieWithParent(); // code that blocks the event loop would not notice that
  for (const signal of ignoredSignals) process.on(signal, ignore);
}

function ignore(): void {}

function processPort(): ChildPort {
  return {
    post: (message: FromChild) => void process.send?.(message, () => undefined),
    listen: (listener: (message: ToChild) => void) =>
      void process.on('message', (message) => listener(message as ToChild)), // the pool's
    leave: () => process.exit(0),
    raise: (signal) => {
      if (signal !== 'SIGUSR1') process.off(signal, ignore); // without a listener SIGUSR1 would open a debugger's port
      process.kill(process.pid, signal);
    },
  };
}
