// What only a real process shows: signals, exit codes, exceptions of nobody's, a blocked event loop.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { commandOf } from '../e2e/harness/compiled.ts';
import { isLong } from '../run/scale.ts';
import { patience, until } from '../until.ts';
import { newApp, newFolder, newStore, recordIn, sizeOf, startWorker } from './bench.ts';

interface Said {
  readonly word: string;
  readonly [field: string]: unknown;
}

class Program {
  readonly child: ChildProcess;
  readonly #said: Said[] = [];

  constructor(url: string) {
    this.child = spawn(process.execPath, [...commandOf('test/worker/worker-program.ts'), url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.child.stdout === null) throw new Error('it has no standard output');
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#said.push(JSON.parse(line)));
  }

  /** The first thing it said that is like this; waits for it. */
  async said(like: Partial<Said>): Promise<Said> {
    const find = (): Said | undefined =>
      this.#said.find((said) => Object.entries(like).every(([key, value]) => said[key] === value));
    await until(find, () => `${JSON.stringify(like)} in ${JSON.stringify(this.#said)}`);
    return find() ?? Promise.reject(new Error('it was said'));
  }

  all(word: string): Said[] {
    return this.#said.filter((said) => said.word === word);
  }

  async exit(): Promise<number | null> {
    const { child } = this;
    await until(() => child.exitCode !== null || child.signalCode !== null, 'its end');
    return child.exitCode;
  }
}

const programs: Program[] = [];
afterEach(() => {
  for (const { child } of programs.splice(0)) child.kill('SIGKILL');
});

/** The program, ready, and an application on its store that sends to it. */
async function start(): Promise<{ program: Program; app: App; url: string }> {
  const url = await newStore('sqlite');
  const program = new Program(url);
  programs.push(program);
  await program.said({ word: 'ready' });
  const app = await newApp('sqlite', { broker: url, workerLease: 2 });
  return { program, app, url };
}

describe('a worker program', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('at %s finishes what runs and ends with code 0', async (signal) => {
    const { program, app } = await start();
    const gate = join(await newFolder(), 'gate');
    const result = await app.send('held', [gate]);
    await program.said({ word: 'begun' });
    program.child.kill(signal);
    await program.said({ word: 'log', signal });
    writeFileSync(gate, '');
    expect(await program.exit()).toBe(0);
    expect(program.all('stopped')).toEqual([expect.objectContaining({ how: 'warm' })]);
    expect(program.all('done')).toHaveLength(1);
    expect(await result.status()).toBe('SUCCESS');
    expect(await sizeOf(app)).toEqual([0, 0, 0]);
  });

  it('at a second signal gives back what runs, asks it to stop, and ends with code 1', async () => {
    const { program, app } = await start();
    await app.send('slow', [600]);
    await program.said({ word: 'begun' });
    program.child.kill('SIGTERM');
    await program.said({ word: 'log', signal: 'SIGTERM' });
    program.child.kill('SIGINT');
    expect(await program.exit()).toBe(1);
    expect(program.all('aborted')).toEqual([expect.objectContaining({ reason: 'WorkerShutdown' })]);
    expect(await sizeOf(app)).toEqual([1, 0, 0]);
  });

  it('at SIGQUIT does so at once', async () => {
    const { program, app } = await start();
    await app.send('slow', [600]);
    await program.said({ word: 'begun' });
    program.child.kill('SIGQUIT');
    expect(await program.exit()).toBe(1);
    expect(await sizeOf(app)).toEqual([1, 0, 0]);
  });

  it('fails the task that throws in a callback, and no other', async () => {
    const { program, app } = await start();
    const gate = join(await newFolder(), 'gate');
    const neighbour = await app.send('held', [gate]);
    await program.said({ word: 'begun' });
    const bad = await app.send('throw.in.timer');
    await expect(bad.get(patience)).rejects.toMatchObject({ remoteMessage: 'in a timer' });
    writeFileSync(gate, '');
    await neighbour.get(patience);
    const line = await program.said({ word: 'log', level: 'error', task_name: 'throw.in.timer' });
    expect(line.task_id).toBe(bad.id);
    expect(program.child.exitCode).toBeNull();
  });

  it('survives a promise that a task forgets, and says which task', async () => {
    const { program, app } = await start();
    const result = await app.send('forget.a.promise');
    expect(await result.get(patience)).toBe(result.id);
    const line = await program.said({ word: 'log', level: 'error' });
    expect(line).toMatchObject({ task_name: 'forget.a.promise', text: expect.stringContaining('forgotten') });
    expect(program.child.exitCode).toBeNull();
  });

  it('keeps its lease while a task blocks its event loop for longer than that', async () => {
    const { program, app, url } = await start();
    const result = await app.send('block', [5]); // the lease is 2 s
    await program.said({ word: 'begun' });
    const other = await newApp('sqlite', { broker: url, workerLease: 2 });
    let stolen = false;
    other.task('block', () => {
      stolen = true;
    });
    await startWorker(other);
    expect((await recordIn(app, result.id, 'SUCCESS')).result).toBe('unblocked');
    expect(stolen).toBe(false);
    expect(program.all('log').filter((line) => line.level === 'warn')).toEqual([]);
  });

  it('that is killed leaves its task to another within its lease and a little', async () => {
    const { program, app, url } = await start();
    const result = await app.send('slow', [600]);
    await program.said({ word: 'begun' });
    const other = await newApp('sqlite', { broker: url, workerLease: 2 });
    other.task('slow', { bind: true }, (task) => task.request.redelivered);
    await startWorker(other);
    program.child.kill('SIGKILL');
    const killed = performance.now();
    expect(await result.get(patience)).toBe(true);
    if (isLong) expect(performance.now() - killed).toBeLessThan(6000);
  });
});
