import { existsSync, readFileSync } from 'node:fs';

/** The first child of a process, as Linux tells it; null: it has none, or has ended. */
export function childOf(pid: number | undefined): number | null {
  const file = `/proc/${pid}/task/${pid}/children`;
  return (existsSync(file) && Number(readFileSync(file, 'utf8').trim().split(' ')[0])) || null;
}
