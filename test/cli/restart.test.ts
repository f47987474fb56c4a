// SIGHUP: how the same command is started again. That it is, in a process of its own, is tested beside the other signals.
import { expect, test } from 'vitest';
import { startAgain } from '../../src/cli/restart.ts';

test('where the process can be replaced, it is: by the same program, arguments and environment, in the folder of its start', async () => {
  const replaced: unknown[][] = [];
  class Gone extends Error {}
  const folder = process.cwd();
  const execve = (...args: unknown[]): never => {
    replaced.push([process.cwd(), ...args]);
    throw new Gone(); // the real one does not return
  };
  await expect(startAgain(execve)).rejects.toThrow(Gone);
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  expect(replaced).toEqual([
    [folder, process.execPath, program, expect.objectContaining({ PATH: process.env.PATH })],
  ]);
});
