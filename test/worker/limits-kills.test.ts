// Workers that are killed: never more than the limit at once, and no permit is lost.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { commandOf } from '../e2e/harness/compiled.ts';
import { isLong, scaled } from '../run/scale.ts';
import { patience, patienceMs, until } from '../until.ts';
import { newFolder } from './bench.ts';
import { appOn, type Broker, onEachBroker, workerOf } from './everywhere.ts';

const kills = scaled(1, 20);
/** In the default run one store, once. On RabbitMQ there is no line that is told: tasks ask again by themselves, which takes longer. */
const brokers: readonly Broker[] = isLong ? ['sqlite', 'redis', 'rabbitmq'] : ['sqlite'];
const limit = 3;

interface Entry {
  readonly word: 'ready' | 'begin' | 'end' | 'killed';
  readonly id: string;
  readonly pid: number;
  readonly at: number;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function newLedger(): Promise<string> {
  const ledger = join(await newFolder(), 'ledger');
  writeFileSync(ledger, '');
  return ledger;
}

function startWorker(
  urls: { readonly broker: string; readonly backend?: string },
  ledger: string,
): ChildProcess {
  const program = commandOf('test/worker/limits-program.ts');
  const args = [...program, urls.broker, urls.backend ?? urls.broker, ledger];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  children.push(child);
  return child;
}

onEachBroker(brokers, (_, newUrls) => {
  it('the lock of a unique task outlives the kill -9 of its worker, and not its task', async () => {
    const urls = await newUrls();
    const ledger = await newLedger();
    const child = startWorker(urls, ledger);
    const app = appOn(urls, { workerLease: 3 });
    const sole = app.task('sole', { unique: { key: 0 } }, (_: string) => 'done');
    const first = await sole.delay('a');
    await until(() => readFileSync(ledger, 'utf8').includes('begin'));
    await expect(sole.delay('a')).rejects.toMatchObject({ existingId: first.id });
    child.kill('SIGKILL');
    await expect(sole.delay('a')).rejects.toMatchObject({ existingId: first.id });
    await workerOf(app);
    expect(await first.get(patience)).toBe('done');
    const again = async (): Promise<boolean> =>
      sole.delay('a').then(
        () => true,
        () => false,
      );
    await until(again); // on a broker apart the lock goes before the result is known to be acknowledged, or a moment after
  });

  it('kill -9 of workers neither breaks a limit nor loses a permit', {
    timeout: 1.5 * patienceMs + kills * 20_000,
  }, async () => {
    const urls = await newUrls();
    const ledger = await newLedger();
    const entries = (): Entry[] =>
      readFileSync(ledger, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const count = (word: string): number => entries().filter((entry) => entry.word === word).length;
    const start = (): ChildProcess => startWorker(urls, ledger);
    const killed: Entry[] = [];
    const workers = [start(), start()];
    await until(() => count('ready') === 2);
    const app = appOn(urls, { workerLease: 3 });
    const hold = (tenant: string, ms: number) => app.send('hold', [tenant, ms]);
    const sent = await Promise.all(
      Array.from({ length: 12 * (kills + 1) }, (_, n) => hold(n % 2 ? 'a' : 'b', 100)),
    );
    for (let n = 0; n < kills; n++) {
      await until(() => count('begin') >= 5 * (n + 1));
      const victim = workers.shift();
      killed.push({ word: 'killed', id: '', pid: victim?.pid ?? 0, at: Date.now() });
      victim?.kill('SIGKILL');
      workers.push(start());
    }
    await Promise.all(sent.map((result) => result.get({ timeout: patience.timeout + kills * 10 })));
    for (const tenant of ['a', 'b']) expect(maxAtOnce(entries(), killed, tenant)).toBeLessThanOrEqual(limit);
    // Not one permit was left behind: all of them are in use at once.
    const before = entries().length;
    await Promise.all(Array.from({ length: limit }, () => hold('a', 600_000)));
    await until(() => maxAtOnce(entries().slice(before), [], 'a') === limit, 'all permits in use');
  });
});

function maxAtOnce(entries: readonly Entry[], killed: readonly Entry[], tenant: string): number {
  const running = new Set<string>();
  const dead = new Set<number>();
  let most = 0;
  // A process that is gone runs nothing any more, and others learn of its end as soon as we do.
  for (const { word, id, pid } of [...killed, ...entries].sort((a, b) => a.at - b.at)) {
    if (word === 'begin' && !dead.has(pid)) running.add(`${pid} ${id}`);
    if (word === 'end') running.delete(`${pid} ${id}`);
    if (word === 'killed') {
      dead.add(pid);
      for (const each of [...running]) if (each.startsWith(`${pid} `)) running.delete(each);
    }
    most = Math.max(most, [...running].filter((each) => each.includes(` ${tenant} `)).length);
  }
  return most;
}
