import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SqliteStore } from '../../src/clients/sqlite.ts';
import { type Deferred, deferred } from '../../src/lib/deferred.ts';

const leaseMs = 1000;
let folder: string;
let store: SqliteStore;
let burials: number[];
let burial: Deferred<void>;
const children: Child[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-peers-'));
  store = await SqliteStore.open(join(folder, 'store.db'));
  burials = [];
  burial = deferred();
  store.peers.listen({
    onBurial: () => {
      burials.push(performance.now());
      burial.resolve();
    },
  });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.process.kill('SIGKILL');
  await store.close();
  rmSync(folder, { recursive: true });
});

interface Child {
  readonly process: ChildProcess;
  readonly id: number;
  /** The next line that begins so. */
  said(start: string): Promise<string>;
}

async function startChild(): Promise<Child> {
  const script = new URL('./peer-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, store.path, String(leaseMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  let news = deferred<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    news.resolve();
    news = deferred();
  });
  const said = async (start: string): Promise<string> => {
    for (;;) {
      const index = lines.findIndex((line) => line.startsWith(start));
      if (index >= 0) return lines.splice(index, 1)[0] ?? '';
      await news.promise;
    }
  };
  const id = Number((await said('joined ')).split(' ')[1]);
  const started = { process: child, id, said };
  children.push(started);
  return started;
}

const listed = (): number[] =>
  store.read((sql) => sql('SELECT id FROM peer ORDER BY id').all()).map((row) => Number(row.id));

test('a peer that is killed is noticed at once, and nothing of it stays behind', async () => {
  await store.peers.own(leaseMs, 'parent');
  const child = await startChild();
  await store.peers.sweep(); // the parent learns of the child, and watches it
  const bells = readdirSync(`${store.path}-peers`).length;
  const killed = performance.now();
  child.process.kill('SIGKILL');
  await burial.promise;
  expect((burials[0] ?? 0) - killed).toBeLessThan(leaseMs / 2);
  expect(listed()).not.toContain(child.id);
  await expect.poll(() => readdirSync(`${store.path}-peers`).length).toBe(bells - 1);
});

test('a peer that is stopped loses its lease in time, and begins again under a new id when it goes on', async () => {
  await store.peers.own(leaseMs, 'parent');
  const child = await startChild();
  child.process.kill('SIGSTOP');
  await burial.promise;
  expect(listed()).not.toContain(child.id);
  child.process.kill('SIGCONT');
  await child.said('struck off');
  await expect.poll(() => listed().length).toBe(2);
  expect(Math.max(...listed())).toBeGreaterThan(child.id);
});

test('a peer whose event loop is blocked for several leases is not taken for dead', async () => {
  await store.peers.own(leaseMs, 'parent');
  const child = await startChild();
  child.process.stdin?.write(`block ${3.5 * leaseMs}`);
  await child.said('unblocked');
  expect(burials).toEqual([]);
  expect(listed()).toContain(child.id);
});

test('a peer that leaves is gone at once with its bell', async () => {
  const child = await startChild();
  const left = new Promise((done) => child.process.once('exit', done));
  child.process.stdin?.write('leave');
  await left;
  expect(listed()).not.toContain(child.id);
  expect(existsSync(`${store.path}-peers`) ? readdirSync(`${store.path}-peers`) : []).toEqual([]);
});

test('a ring reaches another process, and one that only rings needs no place among the peers', async () => {
  const child = await startChild();
  await store.write(false, (transaction) => store.peers.ringOnCommit(transaction, child.id, 'hello'));
  await child.said('rung hello');
  expect(listed()).toEqual([child.id]);
});

test('the dead of before are buried by whoever comes next', async () => {
  const child = await startChild();
  const exited = new Promise((done) => child.process.once('exit', done));
  child.process.kill('SIGKILL');
  await exited;
  expect(listed()).toEqual([child.id]);
  await store.peers.own(leaseMs, 'parent');
  expect(burials.length).toBe(1);
  expect(listed()).not.toContain(child.id);
});

test('one that could not join since the store was locked joins when it is asked for again', async () => {
  const write = store.write.bind(store);
  let locked = true;
  store.write = (durable, work) => (locked ? Promise.reject(new Error('locked')) : write(durable, work));
  await expect(store.peers.id()).rejects.toThrow('locked');
  locked = false;
  expect(await store.peers.id()).toBeGreaterThan(0);
});
