// The long proofs: what the default test run does a few times is done many times. About half an hour.
import { spawnSync } from 'node:child_process';

const environment = { ...process.env, RESTARTS: '50', INTEROP_ROUNDS: '25' };
const files = ['test/e2e/broker-restart.test.ts', 'test/e2e/kill-loop.test.ts', 'test/interop/mixed.test.ts'];
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
for (const command of [
  ['run', 'build'],
  ['exec', '--', 'vitest', 'run', ...files],
]) {
  const { status } = spawnSync(npm, command, { stdio: 'inherit', env: environment });
  if (status !== 0) process.exit(status ?? 1);
}
