// The terminal of a process may disappear while it runs: its window is closed, or its connection breaks. The system then sends SIGHUP, which
// decides whether the process ends. Output that it still writes is lost, which is not an error.
import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** To be called first. */
export function outliveTerminal(): void {
  const terminals = [0, 1, 2].filter((file) => isatty(file));
  for (const [file, stream] of [
    [1, process.stdout],
    [2, process.stderr],
  ] as const)
    if (terminals.includes(file)) stream.on('error', unlessGone);
  process.on('exit', () => {
    // Node resets its terminals at the end, and aborts where it cannot; of a file that is closed it takes no notice.
    for (const file of terminals) if (!isatty(file)) closed(file);
  });
}

/** Also a listener for errors of a stream. @throws any other error */
export function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EIO' && error.code !== 'ENXIO') throw error;
}

function closed(file: number): void {
  try {
    closeSync(file);
  } catch {} // somebody else has closed it
}
