// Before all test files: the package and the programs that tests start are built, and shared servers can be had. After them: those are
// stopped.
import { ensureBuilt } from '../e2e/harness/built.ts';
import { compilePrograms } from '../e2e/harness/compiled.ts';
import { PostgresServerProcess } from '../servers/postgres.ts';
import { RabbitServerProcess } from '../servers/rabbitmq.ts';
import { RedisServerProcess } from '../servers/redis.ts';
import { lead } from '../servers/shared.ts';
import { tellHowProcessesEnd } from './fallen-process.ts';

export default async function setup(): Promise<() => Promise<void>> {
  tellHowProcessesEnd();
  const [programs] = await Promise.all([compilePrograms(), ensureBuilt()]);
  const servers = await lead({
    redis: RedisServerProcess.sharing,
    rabbitmq: RabbitServerProcess.sharing,
    postgres: PostgresServerProcess.sharing,
  });
  return async () => {
    await Promise.all([servers, programs].map((each) => each[Symbol.asyncDispose]()));
  };
}
