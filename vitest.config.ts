import { defineConfig, type UserProjectConfigExport } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { builtPackage } from './test/run/built-package.ts';
import { isLong } from './test/run/scale.ts';
import { patienceMs } from './test/until.ts';

/** With servers and processes of their own, and mostly waiting: these take longest. */
const long =
  /\/test\/(?:e2e|chaos|interop|beat|workflows|simulation|stores\/amqp)\/|\/test\/conformance\/(?:amqp|rpc)|rabbitmq|dashboard\/browser|control\/silent/;

/** The files that each need a process of their own. */
const isolated = [
  'test/examples/**/*.test.ts', // their applications are loaded as they stand, with what the environment says at that time
  'test/package/**/*.test.ts', // they change what is loaded
  'test/run/**/*.test.ts', // they run tests
  'test/worker/leaves-nothing.test.ts', // it looks for what is left in its process
];

/**
 * The long ones first, so that the run does not end with one of them alone; those that share a process last, since a process is shared
 * only by files that follow one another.
 */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const turn = (file: TestSpecification): number =>
      (file.project.config.isolate ? 0 : 2) + (long.test(file.moduleId) ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => turn(a) - turn(b));
  }
}

function project(
  name: string,
  isolate: boolean,
  include: string[],
  exclude: string[],
): UserProjectConfigExport {
  return {
    plugins: [builtPackage(import.meta.dirname)],
    test: {
      name,
      isolate,
      include,
      exclude: ['**/node_modules/**', ...exclude, ...(isLong ? [] : ['test/**/*.long.test.ts'])],
      setupFiles: ['test/run/setup.ts'],
      // Of a case that hangs where it does not wait by test/until.ts. Many waits of a case may each be long where much else is done.
      testTimeout: 5 * patienceMs,
      hookTimeout: 5 * patienceMs,
      expect: { poll: { timeout: patienceMs, interval: 20 } },
      pool: 'forks',
    },
  };
}

export default defineConfig({
  test: {
    globalSetup: ['test/run/global-setup.ts'],
    // Of two processors: three quarters of a case's time it waits for servers, other processes and leases.
    maxWorkers: isLong ? 5 : 8, // the long run judges by the clock, too
    sequence: { sequencer: LongFirst },
    projects: [
      project('alone', true, isolated, []),
      // Starting a process, and loading the package in it, takes longer than many of these files. test/run/setup.ts looks for what one
      // leaves to the next.
      project('together', isLong, ['test/**/*.test.ts'], isolated),
    ],
  },
});
