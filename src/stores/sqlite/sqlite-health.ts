// The figures of the embedded store: the sizes of its files, and the space that is left for them.
import { stat, statfs } from 'node:fs/promises';
import { figure, type HealthFigure, unknownFigure } from '../store-health.ts';

/** The least free space before a warning, and before a danger, bytes. */
const lowSpace = 1_000_000_000;
const noSpace = 100_000_000;
/** A log of this size is not copied back into the file: a reader that never ends holds it. Four times what starts a copy. */
const largeLog = 64_000_000;

export async function sqliteHealth(path: string): Promise<readonly HealthFigure[]> {
  const [file, log, disk] = await Promise.all([sizeOf(path), sizeOf(`${path}-wal`), spaceOf(path)]);
  return [
    file === null
      ? unknownFigure('file', 'bytes', 'the file cannot be found', 'danger')
      : figure('file', file, 'bytes'),
    figure('write-ahead log', log ?? 0, 'bytes', {
      ...((log ?? 0) > largeLog && {
        level: 'warning',
        note: 'it is large: a program reads the file all the time, or has stopped while it reads',
      }),
    }),
    disk,
  ];
}

async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.size ?? null;
}

async function spaceOf(path: string): Promise<HealthFigure> {
  const disk = await statfs(path).catch(() => null);
  if (disk === null) return unknownFigure('free disk', 'bytes', 'the file system does not tell it');
  const free = disk.bavail * disk.bsize;
  const level = free < noSpace ? 'danger' : free < lowSpace ? 'warning' : 'fine';
  return figure('free disk', free, 'bytes', {
    limit: disk.blocks * disk.bsize,
    level,
    note: level === 'fine' ? '' : 'when it is full, nothing can be sent and no result can be kept',
  });
}
