// The sources of the texts: the Markdown and plain-text files of a folder, and a source that is sometimes down.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The paths of the `.md` and `.txt` files in a folder and the folders in it, sorted. Hidden files and node_modules are left out. */
export async function documentsOf(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  const pending = [folder];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const entry of await readdir(current, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const path = join(current, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile() && /\.(md|txt)$/i.test(entry.name)) found.push(path);
    }
  }
  return found.sort();
}

/** The source did not answer. A retry may help. */
export class SourceUnavailable extends Error {
  override readonly name = 'SourceUnavailable';
}

/**
 * Reads a document from a source that is down for the first `outages` attempts. It stands for a file server or an API
 * that is sometimes down, and shows a retry.
 */
export async function readUnreliably(path: string, attempt: number, outages: number): Promise<string> {
  if (attempt <= outages)
    throw new SourceUnavailable(`the source of ${path} is down (attempt ${attempt} of ${outages + 1})`);
  return readFile(path, 'utf8');
}
