// The long proofs: what the default test run does a few times is done many times. More than an hour.
import { spawnSync } from 'node:child_process';

const environment = {
  ...process.env,
  RESTARTS: '50',
  INTEROP_ROUNDS: '25',
  LOSS_STRIDE: '1',
  FAULTS_LONG: '1',
  LIMIT_KILLS: '20',
  BEAT_ROUNDS: '100',
  CRONTAB_LONG: '1',
  SIMULATION_SEEDS: '10000',
  CLI_LONG: '1',
  RACES_SEEDS: '100',
  UMBEL_WORKFLOWS: '3000',
  UMBEL_CHORDS: '1000',
};
const proofs = [
  'broker-restart',
  'kill-loop',
  'reply-lost',
  'redis-faults',
  'rabbitmq-faults',
  'malformed',
  'pills',
];
const files = proofs.map((name) => `test/e2e/${name}.test.ts`);
files.push(
  'test/simulation/simulation.test.ts',
  'test/interop/mixed.test.ts',
  'test/worker/limits-kills.test.ts',
  'test/transports/redis-races.test.ts',
  'test/worker/unique-kills.test.ts',
  'test/beat/failover.test.ts',
  'test/schedules/crontab-oracle.test.ts',
  'test/cli/migrate.test.ts',
  'test/cli/tools.test.ts',
  'test/cli/configuration.test.ts',
  'test/workflows/kill.test.ts',
  'test/workflows/property.test.ts',
);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
for (const command of [
  ['run', 'build'],
  ['exec', '--', 'vitest', 'run', ...files],
]) {
  const { status } = spawnSync(npm, command, { stdio: 'inherit', env: environment });
  if (status !== 0) process.exit(status ?? 1);
}
