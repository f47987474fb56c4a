// A folder that only this user can open, for the sockets of its processes.
import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../errors.ts';
import { makeFolder } from './make-folder.ts';

/** Makes it if it is missing. @throws StoreError naming the way out when it is another user's, or others may open it */
export function privateFolder(name: string, wayOut: string): string {
  const user = process.getuid?.() ?? 0;
  const folder = join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `umbel-${user}-${name}`);
  makeFolder(folder, 0o700);
  const { uid, mode } = lstatSync(folder);
  if (uid !== user || (mode & 0o077) !== 0)
    throw new StoreError(`${folder} belongs to another user or is open to others; ${wayOut}`);
  return folder;
}
