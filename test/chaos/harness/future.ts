// Tasks for later, a hundred thousand of them: what a worker takes for the waiting, and how late they begin.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Program } from '../../e2e/harness/program.ts';
import type { ChaosPlace } from './places.ts';
import { programPath } from './programs.ts';

/** One line of figures: memory in MB, lateness in milliseconds. */
export async function future(place: ChaosPlace, count: number, seconds: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-future-'));
  const file = `sqlite://${join(folder, 'store.db')}`;
  const environment = {
    CHAOS_BROKER: place.server?.broker ?? file,
    CHAOS_BACKEND: place.server?.backend ?? file,
  };
  const send = async (...numbers: readonly number[]): Promise<number> => {
    await using sender = new Program(programPath('future'), environment, ['send', ...numbers.map(String)]);
    const line = await sender.line('sent', 0, 1_200_000);
    return Number(line.slice('sent '.length));
  };
  try {
    await using worker = new Program(programPath('future'), environment, ['work']);
    await worker.line('ready', 0, 60_000);
    const ask = async (): Promise<{ readonly ran: number }> => {
      const from = worker.lines.length;
      worker.tell('?');
      return JSON.parse(await worker.line('{', from, 60_000));
    };
    // What a worker takes in any case: its code compiled, its buffers grown.
    await send(5000, 0, 0);
    await sleep(5000);
    const before = memory(worker.pid);
    const leftMs = await send(count, 10_000 + count * 1.5, seconds * 1000);
    const waiting = memory(worker.pid);
    await sleep(Math.max(0, leftMs + seconds * 1000));
    let found = await ask();
    for (const late = Date.now() + 600_000; found.ran < count && Date.now() < late; found = await ask())
      await sleep(500);
    const after = memory(worker.pid);
    const grown = (then: Memory): string =>
      `${then.all - before.all} (own ${then.own - before.own}, files ${then.files - before.files})`;
    const sent = leftMs > 0 ? 'all sent before the first was due' : `sent ${-leftMs} ms too late`;
    const figures = JSON.stringify(found);
    return `${place.name}: ${count} tasks, ${sent}; MB more while they wait ${grown(waiting)}, in the end ${grown(after)}; ${figures}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** MB. */
interface Memory {
  readonly all: number;
  /** Without mapped files and shared memory. */
  readonly own: number;
  readonly files: number;
}

function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { all: of('VmRSS'), own: of('RssAnon'), files: of('RssFile') + of('RssShmem') };
}
