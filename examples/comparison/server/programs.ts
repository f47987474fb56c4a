// Starts, scales and kills the programs that do the jobs, and starts again what dies, as Docker or systemd would.
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { WayName } from '../ways/way.ts';
import { slots } from '../ways/work.ts';

export interface Program {
  readonly way: WayName;
  readonly name: string;
  readonly pid: number;
  ready: boolean;
  /** Where it listens, if it does. */
  url?: string;
}

const manifest = createRequire(import.meta.url).resolve('umbel/package.json');
const umbel = join(dirname(manifest), 'dist', 'cli', 'main.js');
const commands: Readonly<Record<WayName, (name: string) => readonly string[]>> = {
  task: (name) => [
    ...[umbel, '-A', './ways/task/app.ts', 'worker', '-q', '--loglevel=info', '--log-format=pretty'],
    ...[`--concurrency=${slots}`, '-n', `${name}@%h`],
  ],
  message: () => ['--import', 'tsx', 'ways/message/consumer.ts'],
  call: () => ['--import', 'tsx', 'ways/call/server.ts'],
};
const kinds: Readonly<Record<WayName, string>> = { task: 'worker', message: 'consumer', call: 'server' };

export class Programs {
  readonly #running = new Map<ChildProcess, Program>();
  /** They were told to go, and finish what they do. */
  readonly #leaving = new Map<ChildProcess, WayName>();
  readonly #wanted = new Map<WayName, number>();
  readonly #changed: () => void;
  readonly #env: () => NodeJS.ProcessEnv;
  readonly #say: (line: string) => void;
  #count = 0;
  #stopping = false;

  /** @param env of the programs */
  constructor(changed: () => void, env: () => NodeJS.ProcessEnv, say: (line: string) => void) {
    this.#changed = changed;
    this.#env = env;
    this.#say = say;
  }

  of(way: WayName): readonly Program[] {
    return [...this.#running.values()].filter((program) => program.way === way);
  }

  /** How many were told to go, and are not gone yet. */
  leaving(way: WayName): number {
    return [...this.#leaving.values()].filter((each) => each === way).length;
  }

  /** Starts what is missing, and ends what is too many: it finishes what it does. */
  scale(way: WayName, count: number): void {
    this.#wanted.set(way, count);
    const there = [...this.#running].filter(([, program]) => program.way === way);
    for (const [child, program] of there.slice(count)) {
      this.#running.delete(child);
      this.#leaving.set(child, way);
      program.ready = false;
      child.kill('SIGTERM');
    }
    for (let more = there.length; more < count; more++) this.#start(way);
    this.#changed();
  }

  /** SIGKILL. Another one takes its place. False: there is none of this number. */
  kill(pid: number): boolean {
    for (const [child, program] of this.#running) if (program.pid === pid) return child.kill('SIGKILL');
    return false;
  }

  /** Of a worker: its node name, `worker1@host`. */
  online(node: string): void {
    for (const program of this.#running.values())
      if (node.startsWith(`${program.name}@`)) program.ready = true;
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const children = [...this.#running.keys(), ...this.#leaving.keys()];
    await Promise.all(
      children.map(
        (child) =>
          new Promise((resolve) => {
            child.once('exit', resolve);
            child.kill('SIGTERM');
          }),
      ),
    );
  }

  #start(way: WayName): void {
    const name = `${kinds[way]}${++this.#count}`;
    const child = spawn(process.execPath, commands[way](name), {
      env: this.#env(),
      detached: true, // a Ctrl-C reaches it through `stop` alone
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'], // the channel tells it when this program is gone
    });
    const program: Program = { way, name, pid: child.pid ?? 0, ready: false };
    this.#running.set(child, program);
    for (const stream of [child.stdout, child.stderr])
      if (stream)
        createInterface({ input: stream }).on('line', (line) => this.#say(`${name.padEnd(10)} | ${line}`));
    child.on('message', (message: { readonly ready?: boolean; readonly url?: string }) => {
      program.ready = message.ready === true && this.#running.has(child);
      if (message.url !== undefined) program.url = message.url;
      this.#changed();
    });
    child.once('exit', () => {
      this.#leaving.delete(child);
      if (!this.#running.delete(child)) return this.#changed(); // it was told to go
      this.#changed();
      if (this.#stopping) return;
      // Not at once: a program that cannot start must not keep the machine busy.
      setTimeout(() => {
        if (!this.#stopping && this.of(way).length < (this.#wanted.get(way) ?? 0)) this.#start(way);
        this.#changed();
      }, 300);
    });
  }
}
