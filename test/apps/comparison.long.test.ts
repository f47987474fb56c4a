// The tests of examples/comparison itself: its page in a browser, and what it says where RabbitMQ is missing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';

needs(test, noRabbit)('on RabbitMQ', { timeout: 1_200_000 }, async () => {
  const server = await RabbitServerProcess.shared();
  const env = { ...process.env, RMQ_URL: server.url(server.vhost()) };
  const tests = spawn(process.execPath, [join(root, 'examples/comparison/test.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [tests.stdout, tests.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const [code] = await once(tests, 'exit');
  expect(code, said).toBe(0);
});
