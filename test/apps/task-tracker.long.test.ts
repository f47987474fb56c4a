// The tests of examples/task-tracker itself on SQLite and the embedded store: its API, its pages, its outbox under `kill -9`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { scaled, seed } from '../run/scale.ts';

const rounds = scaled(3, 40);
const timeoutMs = 1_200_000;

/** Runs `npm test` there. */
async function itsTests(settings: Readonly<Record<string, string>>): Promise<void> {
  const env = { ...process.env, ...settings, TRACKER_ROUNDS: String(rounds), TRACKER_SEED: String(seed) };
  const tests = spawn(process.execPath, [join(root, 'examples/task-tracker/test.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [tests.stdout, tests.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const [code] = await once(tests, 'exit');
  for (const [line] of said.matchAll(/^# .*Message-ID$/gm)) console.log(line);
  expect(code, said).toBe(0);
}

test('on SQLite and the embedded store', { timeout: timeoutMs }, () => itsTests({}));
