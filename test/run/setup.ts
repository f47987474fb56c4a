// In each test file: what Node warns of fails the file that caused it.
import { afterAll, beforeAll } from 'vitest';
import { tellWhoEndsUs } from './fallen-process.ts';

/** Warnings of leaks and of errors that nobody handled; others (experimental features) are no fault of ours. */
const faults =
  /^(?:MaxListenersExceeded|UnhandledPromiseRejection|PromiseRejectionHandled|TimeoutOverflow|TimeoutNegative|TimeoutNaN)Warning$/;

const found: string[] = [];
const listen = (warning: Error): void => {
  if (faults.test(warning.name)) found.push(warning.stack ?? String(warning));
};

beforeAll(() => {
  process.on('warning', listen);
  tellWhoEndsUs();
});
afterAll(async () => {
  // Warnings are told at the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  const told = found.splice(0);
  if (told.length > 0) throw new Error(`Node warns of faults:\n${told.join('\n')}`);
});
