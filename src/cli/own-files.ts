// Files that the long-running commands write, in folders where other users may have put symbolic links.
import { constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { UmbelError } from '../errors.ts';
import { makeFolder } from '../lib/make-folder.ts';

/** The owner may write, the group may read, others may not: a log may contain arguments of tasks. */
export const ownFileMode = 0o640;

/**
 * Opens a log for appending. Symbolic links are not followed: a user who may write in the folder could make us write anywhere.
 * @throws UmbelError for a symbolic link
 */
export function openLog(file: string): number {
  makeFolder(dirname(file));
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
