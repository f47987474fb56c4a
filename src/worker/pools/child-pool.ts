// A pool of processes or threads. Each runs one task at a time, and can be killed without harm to the others.
import { setMaxListeners } from 'node:events';
import type { Outcome } from '../../app/running/outcome.ts';
import type { RunContext } from '../../app/running/run.ts';
import type { AnyTask } from '../../app/task.ts';
import { PoolError } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ProcessLost } from '../outcome.ts';
import { ChildHost, type ChildHostParts } from './child-host.ts';
import type { Pool, PoolPlace } from './pool.ts';

interface ChildPoolParts extends Omit<ChildHostParts, 'onExit'> {
  readonly name: 'processes' | 'threads';
  readonly size: number;
  /** A child is replaced after this number of tasks; null: never for that reason. */
  readonly maxTasksPerChild: number | null;
  /** A child that takes more bytes after a task is replaced; null: never for that reason. */
  readonly maxMemoryPerChild: number | null;
  readonly clock: Clock;
}

/** How long it waits for a child that was asked to leave, milliseconds. */
const leaveMs = 2000;
/** How long a child may go on after a signal that has not ended it, milliseconds. */
const graceMs = 5000;

export class ChildPool implements Pool {
  readonly name: string;
  readonly runsHooks = true;
  readonly #parts: ChildPoolParts;
  readonly #hosts = new Set<ChildHost>();
  /** Children that were killed, and have not exited yet. */
  readonly #dying = new Set<ChildHost>();
  /** The child that became free last is taken first, so that the others may be let go. */
  readonly #free: ChildHost[] = [];
  readonly #waiting: ((host: ChildHost) => void)[] = [];
  readonly #closing = new AbortController();
  #size: number;
  #failures = 0;

  constructor(parts: ChildPoolParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#size = parts.size;
    setMaxListeners(0, this.#closing.signal); // each pending kill listens to it
  }

  /** @throws PoolError when the application cannot be loaded there */
  async start(): Promise<void> {
    const problems = await Promise.all(Array.from({ length: this.#size }, () => this.#add()));
    const problem = problems.find((each) => each !== null);
    if (problem === undefined || problem === null) return;
    await this.stop();
    throw new PoolError(`the pool '${this.name}' cannot start: ${problem}`);
  }

  async execute(_: AnyTask, context: RunContext, begin: () => boolean): Promise<Outcome | ProcessLost> {
    const host = this.#free.pop() ?? (await new Promise<ChildHost>((take) => this.#waiting.push(take)));
    // The run was ended while it waited for a child: its message is another worker's by now.
    if (!begin()) {
      this.#release(host);
      return { kind: 'lost', reason: 'it was ended before it began' };
    }
    const outcome = await host.run(context);
    // Its code may have ended while it was being killed: such a child runs no other task.
    if (!host.gone && !this.#dying.has(host)) this.#release(host);
    return outcome;
  }

  terminate(context: RunContext, signum: number | null): boolean {
    for (const host of [...this.#hosts]) {
      if (host.context !== context) continue;
      if (signum === null || !host.signal(signum)) host.kill();
      else this.#killLater(host, graceMs);
      // A thread in a native call ends only after it: another child takes its place now.
      this.#hosts.delete(host);
      this.#dying.add(host);
      this.#replace(false);
    }
    return true; // or it has not begun, or has ended
  }

  resize(size: number): void {
    this.#size = size;
    while (this.#hosts.size < size) void this.#add();
    for (const host of this.#free.splice(0)) {
      if (this.#hosts.size > size) this.#dismiss(host);
      else this.#free.push(host);
    }
  }

  report(): readonly PoolPlace[] {
    return [...this.#hosts].map((host) => host.report());
  }

  async stacks(): Promise<ReadonlyMap<string, string>> {
    const tasks = new Map<number, string>();
    for (const { thread, context } of this.#hosts)
      if (thread !== null && context !== null) tasks.set(thread, context.request.id);
    const { stacksOf } = await import('./stacks.ts');
    const found = await stacksOf(new Set(tasks.keys()));
    return new Map([...found].map(([thread, stack]) => [tasks.get(thread) ?? '', stack]));
  }

  async stop(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    const { clock } = this.#parts;
    const over = new AbortController();
    const hosts = [...this.#hosts];
    for (const host of this.#dying) host.kill();
    for (const host of hosts)
      if (host.context === null) host.leave();
      else host.kill();
    const late = clock
      .sleep(leaveMs, over.signal)
      .then(() => {
        for (const host of hosts) if (!host.gone) host.kill();
        return clock.sleep(leaveMs, over.signal);
      })
      .then(
        () => {
          this.#hopeless = true;
          this.#onGone();
        },
        () => undefined,
      );
    while (this.#hosts.size + this.#dying.size > 0) {
      await new Promise<void>((resolve) => (this.#onGone = resolve));
      if (this.#hopeless) break;
    }
    over.abort();
    await late;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #onGone: () => void = () => undefined;
  /** The remaining children are in native calls, which nothing can end. */
  #hopeless = false;

  /** Resolves with null when the child is ready, or with the reason why it cannot be. */
  async #add(): Promise<string | null> {
    const host = new ChildHost({ ...this.#parts, onExit: (gone, how) => this.#exited(gone, how) });
    this.#hosts.add(host);
    const problem = await host.ready;
    if (problem === null) {
      this.#failures = 0;
      this.#offer(host);
    } else if (!host.gone) host.kill();
    return problem;
  }

  #offer(host: ChildHost): void {
    const take = this.#waiting.shift();
    if (take !== undefined) take(host);
    else this.#free.push(host);
  }

  #release(host: ChildHost): void {
    const { maxTasksPerChild, maxMemoryPerChild } = this.#parts;
    const isUsedUp =
      (maxTasksPerChild !== null && host.ran >= maxTasksPerChild) ||
      (maxMemoryPerChild !== null && host.rss > maxMemoryPerChild);
    if (isUsedUp || this.#hosts.size > this.#size) this.#dismiss(host);
    else this.#offer(host);
  }

  #dismiss(host: ChildHost): void {
    host.leave();
    this.#killLater(host, leaveMs);
  }

  #killLater(host: ChildHost, ms: number): void {
    this.#parts.clock.sleep(ms, this.#closing.signal).then(
      () => !host.gone && host.kill(),
      () => undefined, // closing the pool ends it
    );
  }

  #exited(host: ChildHost, how: string): void {
    const { logger } = this.#parts;
    logger.debug({ how }, `a child of the pool '${this.name}' is gone (${how})`);
    const wasDying = this.#dying.delete(host);
    this.#hosts.delete(host);
    const at = this.#free.indexOf(host);
    if (at >= 0) this.#free.splice(at, 1);
    this.#onGone();
    if (!wasDying) this.#replace(host.ran === 0);
  }

  /** Starts another child in its place; after a pause if children die as soon as they start. */
  #replace(wasOfNoUse: boolean): void {
    if (this.#closing.signal.aborted || this.#hosts.size >= this.#size) return;
    const { clock, logger } = this.#parts;
    const delayMs = wasOfNoUse && this.#failures > 0 ? backoffDelay(respawn, this.#failures) : 0;
    if (wasOfNoUse) this.#failures++;
    const replace = (): void => {
      if (this.#closing.signal.aborted || this.#hosts.size >= this.#size) return;
      void this.#add().then((problem) => {
        if (problem !== null && !this.#closing.signal.aborted)
          logger.error({ reason: problem }, `a child of the pool '${this.name}' cannot start: ${problem}`);
      });
    };
    if (delayMs === 0) replace();
    else clock.sleep(delayMs, this.#closing.signal).then(replace, () => undefined);
  }
}

const respawn = { factor: 100, maximum: 5000, jitter: true } as const;
