// The terminal of a process may go away under it: its window is closed, its line drops. Whether the process ends is up to SIGHUP, which
// the system then sends; what it still writes nobody can read, and that is no error.
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
