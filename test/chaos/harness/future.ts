// Tasks for later, a hundred thousand of them: what the waiting takes, and how late they begin.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    NODE_OPTIONS: '--expose-gc',
  };
  try {
    await using program = new Program(programPath('future'), environment, [String(count), String(seconds)]);
    return `${place.name}: ${await program.line('{', 0, 1_200_000)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
