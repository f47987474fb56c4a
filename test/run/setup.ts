// In each test file: what Node warns of fails the file that caused it, and so does what the file leaves to the next one of its process.
import { afterAll, beforeAll } from 'vitest';
import { tellWhoEndsUs } from './fallen-process.ts';

/** Warnings of leaks and of errors that nobody handled; others (experimental features) are no fault of ours. */
const faults =
  /^(?:MaxListenersExceeded|UnhandledPromiseRejection|PromiseRejectionHandled|TimeoutOverflow|TimeoutNegative|TimeoutNaN)Warning$/;

const found: string[] = [];
const listen = (warning: Error): void => {
  if (faults.test(warning.name)) found.push(warning.stack ?? String(warning));
};
const [env, folder, { exitCode }] = [{ ...process.env }, process.cwd(), process];

beforeAll(() => {
  process.on('warning', listen);
  tellWhoEndsUs();
});
afterAll(async () => {
  // Warnings are told at the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  const told = found.splice(0);
  const left = restore();
  if (left.length > 0) throw new Error(`the file leaves to the next one of its process: ${left.join(', ')}`);
  if (told.length > 0) throw new Error(`Node warns of faults:\n${told.join('\n')}`);
});

/** Makes the process what it was before the file; says what was changed. */
function restore(): readonly string[] {
  const left: string[] = [];
  for (const name of new Set([...Object.keys(env), ...Object.keys(process.env)])) {
    const before = env[name];
    if (process.env[name] === before) continue;
    left.push(`${name}=${process.env[name]} in the environment`);
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
  if (process.cwd() !== folder) left.push(`the working directory ${process.cwd()}`);
  process.chdir(folder);
  if (process.exitCode !== exitCode) left.push(`the exit code ${process.exitCode}`);
  process.exitCode = exitCode;
  return left;
}
