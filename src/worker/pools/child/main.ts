// Where a child begins, be it a process or a thread.
import { parentPort, workerData } from 'node:worker_threads';
import type { ChildData, FromChild, ToChild } from './messages.ts';
import { type ChildPort, serve } from './serve.ts';

if (parentPort !== null) {
  const port = parentPort;
  await serve(
    {
      post: (message) => port.postMessage(message),
      listen: (listener) => port.on('message', listener),
      leave: () => process.exit(0),
    },
    workerData as ChildData, // what the pool gave
  );
} else {
  process.once('message', (data) => void serve(processPort(), data as ChildData)); // the pool's first word
  // Whoever started us is gone, and with it all that we could do.
  process.once('disconnect', () => process.exit(0));
  // The terminal signals the whole group; the worker says what we are to do. SIGUSR1 would open a debugger's port.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const)
    process.on(signal, () => undefined);
}

function processPort(): ChildPort {
  return {
    post: (message: FromChild) => void process.send?.(message, () => undefined),
    listen: (listener: (message: ToChild) => void) =>
      void process.on('message', (message) => listener(message as ToChild)), // the pool's
    leave: () => process.exit(0),
  };
}
