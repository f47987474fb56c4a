// Watches the sources of a project. Node's own recursive watching is of no use here: on Linux it watches each file, those of node_modules as
// well. So each folder is watched by itself, in which a rename is seen, too: most editors write a new file and rename it.
import { createHash } from 'node:crypto';
import { existsSync, type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { isLeftOut, isSource, isWithin } from './sources.ts';

interface Watched {
  /** These, with the folders in them. */
  readonly folders: readonly string[];
  /** The folder of .env and umbel.config, which is watched for these alone where it is not in `folders`. */
  readonly home: string;
  readonly appFile: string;
  /** Left out: files and folders. */
  readonly ignored: readonly string[];
}

interface WatchEvents {
  /** Sources that were written, renamed or deleted, a moment ago. */
  changed(files: readonly string[]): void;
  /** A folder cannot be watched. */
  failed(folder: string, why: string): void;
}

/** So long after a change more may come, as of a checkout, milliseconds. */
const settleMs = 100;

/** Watches until disposal. */
export function watchSources(watched: Watched, events: WatchEvents): Disposable {
  const sources = new Sources(watched, events);
  for (const folder of watched.folders) sources.add(folder);
  if (!watched.folders.some((folder) => isWithin(watched.home, folder))) sources.addHome();
  return sources;
}

class Sources implements Disposable {
  readonly #watched: Watched;
  readonly #events: WatchEvents;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #changed = new Set<string>();
  readonly #jsonHashes = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;

  constructor(watched: Watched, events: WatchEvents) {
    this.#watched = watched;
    this.#events = events;
  }

  /** `isNew`: it was made while its parent was watched; what is in it counts as changed. */
  add(folder: string, isNew = false): void {
    if (this.#watchers.has(folder)) return;
    // Watched before it is read: no file comes in between.
    if (!this.#watch(folder, (event, name) => this.#happened(event, join(folder, name)))) return;
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !this.#isLeftOut(path)) this.add(path, isNew);
      else if (isNew && entry.isFile()) this.#note(path);
    }
  }

  /** The settings of the command line, whose folder is not one of the project's. */
  addHome(): void {
    const { home } = this.#watched;
    this.#watch(home, (_, name) => {
      if (name === '.env' || name.startsWith('umbel.config.')) this.#note(join(home, name));
    });
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(folder: string, happened: (event: string, name: string) => void): boolean {
    try {
      const watcher = watch(folder, (event, name) => happened(event, name ?? ''));
      watcher.on('error', () => this.#drop(folder)); // it was deleted
      this.#watchers.set(folder, watcher);
      return true;
    } catch (error) {
      const [code, message] = error instanceof Error ? [Reflect.get(error, 'code'), error.message] : [];
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && !this.#hasFailed) {
        this.#hasFailed = true; // the next ones fail for the same reason
        const wayOut = code === 'ENOSPC' ? '; raise fs.inotify.max_user_watches, or use --ignore' : '';
        this.#events.failed(folder, `${message ?? String(error)}${wayOut}`);
      }
      return false;
    }
  }

  #happened(event: string, path: string): void {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) {
      if (event !== 'rename' || this.#isLeftOut(path)) return;
      this.#drop(path); // of the same name, and gone
      this.add(path, true);
    } else {
      if (found === undefined) this.#drop(path);
      this.#note(path);
    }
  }

  #drop(folder: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (!isWithin(path, folder)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }

  #isLeftOut(folder: string): boolean {
    return isLeftOut(folder, this.#watched.appFile, this.#watched.ignored);
  }

  #note(file: string): void {
    if (!isSource(file) || this.#watched.ignored.some((each) => isWithin(file, each))) return;
    if (file.endsWith('.json') && !this.#isOther(file)) return;
    this.#changed.add(file);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const files = [...this.#changed];
      this.#changed.clear();
      const present = files.filter((each) => existsSync(each)); // not those by which an editor wrote them
      this.#events.changed(present.length > 0 ? present : files);
    }, settleMs);
  }

  /** JSON that is written again as it was is no change: a program that writes it when it starts would be started again for ever. */
  #isOther(file: string): boolean {
    const hash = hashOf(file);
    const isOther = this.#jsonHashes.get(file) !== hash;
    this.#jsonHashes.set(file, hash);
    return isOther;
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // it is gone, or not readable
  }
}

function hashOf(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return ''; // it is gone
  }
}
