// A vitest reporter: counts what ran, with the reason of every skip, into the file that test.mjs reads.
import { writeFileSync } from 'node:fs';

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      // A file that cannot be loaded, or whose suite fails outside of its tests.
      summary.failed += module.errors().length;
      for (const suite of module.children.allSuites()) summary.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') summary.passed++;
        else if (result.state === 'failed') summary.failed++;
        else
          summary.skipped.push({
            title: `${module.relativeModuleId} > ${test.fullName}`,
            reason: result.note ?? 'no reason given',
          });
      }
    }
    writeFileSync(process.env.UMBEL_TEST_SUMMARY, JSON.stringify(summary));
  }
}
