// A vitest reporter: writes what ran, what failed and the reason of every skip into the file that test.mjs reads.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** What a test file that starts servers of its own, processes or a browser imports or calls. */
const realProcesses = /ServerProcess\.start\(|\/chromium\.ts'|'node:child_process'|\/e2e\/harness\//;

export default class SummaryReporter {
  #root = '';

  onInit(vitest) {
    this.#root = vitest.config.root;
  }

  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failures: [], skipped: [], files: [] };
    for (const error of unhandledErrors) summary.failures.push(this.#failureOf(null, null, [error]));
    for (const module of modules) {
      const file = module.relativeModuleId;
      summary.files.push({
        file,
        ms: Math.round(module.diagnostic().duration),
        state: module.state(),
        hasProcesses: realProcesses.test(readFileSync(module.moduleId, 'utf8')),
      });
      // A file that cannot be loaded, or whose suite fails outside of its tests.
      const outside = [...module.errors()];
      for (const suite of module.children.allSuites()) outside.push(...suite.errors());
      if (outside.length > 0) summary.failures.push(this.#failureOf(file, null, outside));
      for (const test of module.children.allTests()) {
        const { state, errors, note } = test.result();
        if (state === 'passed') summary.passed++;
        else if (state === 'failed') summary.failures.push(this.#failureOf(file, test.fullName, errors));
        else
          summary.skipped.push({
            title: `${file} > ${test.fullName}`,
            reason: note ?? reasonOf(test) ?? 'no reason given',
          });
      }
    }
    writeFileSync(process.env.UMBEL_TEST_SUMMARY, JSON.stringify(summary));
  }

  /** `test` null: of the file, or, without one, of the run. */
  #failureOf(file, test, errors) {
    return { file, test, message: errors.map((error) => textOf(error, this.#root)).join('\n') };
  }
}

/** What was expected and the place belong to it: of a run far away nothing else may be left. */
function textOf(error, root) {
  const message = error.message ?? String(error);
  const diff = error.diff === undefined || message.includes('actual - expected') ? [] : [error.diff];
  const places = (error.stacks ?? [])
    .slice(0, 3)
    .map(({ file, line }) => `at ${relative(root, file)}:${line}`);
  return stripVTControlCharacters([message, ...diff, ...places].join('\n'));
}

// `needs` (test/needs.ts) leaves it with the suite or the test that it skips.
function reasonOf(entity) {
  for (let each = entity; each !== undefined; each = each.parent) {
    const { reason } = each.meta?.() ?? {};
    if (reason !== undefined) return reason;
  }
  return undefined;
}
