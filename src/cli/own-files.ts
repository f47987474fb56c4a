// Files that the long-running commands write for themselves, where somebody else might have put something in their way.
import { constants, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { UmbelError } from '../errors.ts';

/** Its owner writes, its group reads: a log may hold what tasks were called with. */
export const ownFileMode = 0o640;

/**
 * A log, to be appended to. A symbolic link is not followed: whoever may write in the folder could let us write anywhere.
 * @throws UmbelError when it is one
 */
export function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW = 0 } = constants; // Windows has no such flag
  try {
    return openSync(file, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, ownFileMode);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ELOOP')) throw error;
    throw new UmbelError(
      'UMBEL_LOG_FILE',
      `'${file}' is a symbolic link, which a program in the background does not write through: name the file itself`,
      { cause: error },
    );
  }
}
