// The example of schedules as a person runs it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Program } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';

test('the example of schedules lists them, beats, and finds what is overdue', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-schedules-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const args = ['--import', import.meta.resolve('tsx'), join(root, 'examples/schedules/main.ts')];
  const { stdout, stderr, code } = await new Program(args, folder).ended;
  expect(stderr).toBe('');
  expect(stdout).toBe(`check-overdue-tasks: 0 * * * * sends tracker.check_overdue_tasks
daily-cleanup: 0 2 * * * sends tracker.daily_cleanup
heartbeat: every 10s sends maintenance.heartbeat
overdue-at-eight: 0 8 * * mon-fri sends tracker.check_overdue_tasks
overdue: ["write the report"]
`);
  expect(code).toBe(0);
});
