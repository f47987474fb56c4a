// The module of docs/guide/tracing.md with Sentry's own SDK, which reports to a server of ours. The SDK is installed in this folder alone:
// it is larger than all else that the tests need.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { project, start, umbelProcess } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';
import { until } from '../until.ts';

const guide = readFileSync(join(root, 'docs/guide/tracing.md'), 'utf8');
const [, module = ''] = /^## Sentry$[\s\S]*?^```ts\n([\s\S]*?)^```$/m.exec(guide) ?? [];

const tasks = `
app.task('shop.fail', { maxRetries: 2, autoretryFor: [TypeError], retryBackoff: false, defaultRetryDelay: 0 }, () => {
  Sentry.addBreadcrumb({ message: 'about to fail' });
  throw new TypeError('no stock');
});
app.task('shop.other', () => {
  Sentry.setTag('other', 'yes');
  Sentry.addBreadcrumb({ message: 'of the other task' });
});
app.task('shop.again', { bind: true, maxRetries: 1 }, (task) => {
  if (task.request.retries === 0) throw task.retry(new Error('not yet'), { countdown: 0 });
});
app.task('shop.endless', { timeLimit: 0.5 }, () => { for (;;); });
`;

interface SentryEvent {
  readonly tags: Readonly<Record<string, string>>;
  readonly exception: { readonly values: readonly { readonly type: string; readonly value: string }[] };
  readonly contexts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly breadcrumbs?: readonly { readonly message?: string }[];
}

beforeAll(() => {
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  expect(npm.status, npm.stderr).toBe(0);
}, 300_000);

test.each([
  'async',
  'processes',
])('in the pool %s Sentry has each task that failed for good, once', async (pool) => {
  const events: SentryEvent[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
      // An envelope: a line of its own, then two of each item.
      const [, ...lines] = text.split('\n');
      for (let at = 0; at + 1 < lines.length; at += 2)
        if (JSON.parse(lines[at] ?? '').type === 'event') events.push(JSON.parse(lines[at + 1] ?? ''));
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo; // it listens on an address

  expect(module).toContain('taskFailure');
  const folder = project({ 'app.ts': module + tasks });
  symlinkSync(
    join(import.meta.dirname, 'node_modules', '@sentry'),
    join(folder, 'node_modules', '@sentry'),
    'dir',
  );
  expect(existsSync(join(folder, 'node_modules', '@sentry', 'node', 'package.json'))).toBe(true);
  const env = { SENTRY_DSN: `http://key@127.0.0.1:${port}/1` };
  const call = async (name: string): Promise<string> =>
    (await umbelProcess(folder, ['-A', './app.ts', 'call', name])).stdout.trim();
  const worker = start(folder, ['-A', './app.ts', 'worker', '--pool', pool, '--concurrency', '2'], { env });
  await worker.said(/ready/);
  await call('shop.other');
  await call('shop.again');
  const failed = await call('shop.fail');
  const endless = pool === 'processes' ? [await call('shop.endless')] : [];
  await until(() => events.length >= 1 + endless.length);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);

  expect(events.map(({ contexts }) => contexts.task?.id).toSorted()).toEqual([failed, ...endless].toSorted());
  const event = events.find(({ contexts }) => contexts.task?.id === failed);
  expect(event?.exception.values[0]).toMatchObject({ type: 'TypeError', value: 'no stock' });
  expect(event?.tags).toEqual({ task: 'shop.fail' });
  expect(event?.contexts.task).toMatchObject({ retries: 2 });
  const crumbs = (event?.breadcrumbs ?? []).flatMap(({ message = '' }) =>
    /task|fail/.test(message) ? [message] : [],
  );
  expect(crumbs).toEqual(['about to fail']);
  if (endless.length > 0)
    expect(events.find(({ tags }) => tags.task === 'shop.endless')?.exception.values[0]?.type).toBe(
      'TimeLimitExceeded',
    );
});
