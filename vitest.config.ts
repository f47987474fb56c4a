import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { builtPackage } from './test/run/built-package.ts';
import { isLong } from './test/run/scale.ts';
import { patienceMs } from './test/until.ts';

/** With servers and processes of their own, and mostly waiting: these take longest. */
const long = /\/test\/(?:e2e|chaos|interop|beat|workflows|stores\/amqp)\/|\/test\/conformance\/(?:amqp|rpc)/;

/** The long ones first, so that the run does not end with one of them alone. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = (file: TestSpecification): boolean => long.test(file.moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  plugins: [builtPackage(import.meta.dirname)],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: isLong ? [] : ['test/**/*.long.test.ts'],
    globalSetup: ['test/run/global-setup.ts'],
    setupFiles: ['test/run/setup.ts'],
    // Longer than a wait within a test, so that it is the wait that fails and says for what it waited.
    testTimeout: 1.5 * patienceMs,
    hookTimeout: 2 * patienceMs,
    expect: { poll: { timeout: patienceMs, interval: 20 } },
    pool: 'forks',
    // Of two processors: much of what they do is waiting for servers and other processes.
    maxWorkers: 7,
    sequence: { sequencer: LongFirst },
  },
});
