import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Deferred, deferred } from '../../../src/lib/deferred.ts';
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';
import { commandOf } from '../../e2e/harness/compiled.ts';
import { within } from '../../until.ts';

const leaseMs = 4000;
/** No test waits for so long. */
const longLeaseMs = 600_000;
let folder: string;
let store: SqliteStore;
let evictions: number;
let eviction: Deferred<void>;
const children: Child[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-peers-'));
  store = await SqliteStore.open(join(folder, 'store.db'));
  evictions = 0;
  eviction = deferred();
  store.peers.listen({
    onPeerEvicted: () => {
      evictions++;
      eviction.resolve();
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

async function startChild(lease = leaseMs): Promise<Child> {
  const program = commandOf('test/stores/sqlite/peer-child.ts');
  const child = spawn(process.execPath, [...program, store.path, String(lease)], {
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
      await within(news.promise, `'${start}' of a child`);
    }
  };
  const id = Number((await said('joined ')).split(' ')[1]);
  const started = { process: child, id, said };
  children.push(started);
  return started;
}

const listed = (): number[] =>
  store.read((sql) => sql('SELECT id FROM peer ORDER BY id').all()).map((row) => Number(row.id));

test('a peer that is killed is noticed at once, not when its lease ends, and nothing of it stays behind', async () => {
  await store.peers.own(longLeaseMs, 'parent');
  const child = await startChild(longLeaseMs);
  await store.peers.sweep(); // the parent learns of the child, and watches it
  const sockets = readdirSync(`${store.path}-peers`).length;
  child.process.kill('SIGKILL');
  await within(eviction.promise, 'the eviction');
  expect(listed()).not.toContain(child.id);
  await expect.poll(() => readdirSync(`${store.path}-peers`).length).toBe(sockets - 1);
});

test('a peer that is stopped loses its lease in time, and begins again under a new id when it goes on', async () => {
  await store.peers.own(leaseMs, 'parent');
  const child = await startChild();
  child.process.kill('SIGSTOP');
  await within(eviction.promise, 'the eviction');
  expect(listed()).not.toContain(child.id);
  child.process.kill('SIGCONT');
  await child.said('evicted');
  await expect.poll(() => listed().length).toBe(2);
  expect(Math.max(...listed())).toBeGreaterThan(child.id);
});

test('a peer whose event loop is blocked for several leases is not taken for dead', async () => {
  await store.peers.own(leaseMs, 'parent');
  const child = await startChild();
  child.process.stdin?.write(`block ${2.5 * leaseMs}`);
  await child.said('unblocked');
  expect(evictions).toBe(0);
  expect(listed()).toContain(child.id);
});

test('a peer that leaves is gone at once with its socket', async () => {
  const child = await startChild();
  const left = new Promise((done) => child.process.once('exit', done));
  child.process.stdin?.write('leave');
  await within(left, 'its end');
  expect(listed()).not.toContain(child.id);
  expect(existsSync(`${store.path}-peers`) ? readdirSync(`${store.path}-peers`) : []).toEqual([]);
});

test('a ring reaches another process, and one that only rings needs no place among the peers', async () => {
  const child = await startChild();
  await store.write(false, (transaction) => store.peers.notifyOnCommit(transaction, child.id, 'hello'));
  await child.said('rung hello');
  expect(listed()).toEqual([child.id]);
});

test('dead peers of before are evicted by the next peer', async () => {
  const child = await startChild();
  const exited = new Promise((done) => child.process.once('exit', done));
  child.process.kill('SIGKILL');
  await exited;
  expect(listed()).toEqual([child.id]);
  await store.peers.own(leaseMs, 'parent');
  expect(evictions).toBe(1);
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
