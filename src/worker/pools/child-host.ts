// One child of a pool: its state, and the messages to and from it.
import type { Outcome } from '../../app/running/outcome.ts';
import type { RunContext } from '../../app/running/run.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import type { Logger } from '../../lib/logger.ts';
import { encodeEnvelope } from '../../protocol/envelope.ts';
import { readProperties } from '../../protocol/properties.ts';
import { encodeResult } from '../../protocol/result-codec.ts';
import { encodeTask } from '../../protocol/task.ts';
import type { ProcessLost } from '../outcome.ts';
import { answerRequest, type RequestStores } from './asks.ts';
import { writeRefusal } from './child/calls.ts';
import type { ChildData, FromChild, WrittenEnd } from './child/messages.ts';
import { readChildren, readOutcome } from './child/written.ts';
import type { PoolPlace } from './pool.ts';
import type { Child, Spawn } from './spawn.ts';

export interface ChildHostParts {
  readonly spawn: Spawn;
  readonly data: ChildData;
  readonly stores: RequestStores;
  readonly logger: Logger;
  readonly onExit: (host: ChildHost, how: string) => void;
}

interface Running {
  readonly context: RunContext;
  readonly ended: Deferred<Outcome | ProcessLost>;
  readonly unlisten: () => void;
}

export class ChildHost {
  readonly #parts: ChildHostParts;
  readonly #child: Child;
  readonly #ready: Deferred<string | null> = deferred();
  readonly #watches = new Map<number, AbortController>();
  #running: Running | null = null;
  #ran = 0;
  #rss = 0;
  #gone = false;

  constructor(parts: ChildHostParts) {
    this.#parts = parts;
    this.#child = parts.spawn(parts.data, {
      onMessage: (message) => this.#take(message),
      onExit: (how) => this.#exit(how),
    });
  }

  /** Resolves when it can run tasks: with null, or with the reason why it never will. */
  get ready(): Promise<string | null> {
    return this.#ready.promise;
  }

  get ran(): number {
    return this.#ran;
  }

  /** Bytes, as it last reported, if the pool has a bound; for a thread those of the whole process. */
  get rss(): number {
    return this.#rss;
  }

  get gone(): boolean {
    return this.#gone;
  }

  get context(): RunContext | null {
    return this.#running?.context ?? null;
  }

  /** The thread's number; null for a process. */
  get thread(): number | null {
    return this.#child.thread;
  }

  report(): PoolPlace {
    return { pid: this.#child.pid, taskId: this.context?.request.id ?? null, ran: this.#ran };
  }

  /** Runs one task, and no other meanwhile. Never rejects. */
  run(context: RunContext): Promise<Outcome | ProcessLost> {
    const { request, signal } = context;
    const ended = deferred<Outcome | ProcessLost>();
    const abort = (): void => {
      const reason: unknown = signal.reason;
      const { name, message } = reason instanceof Error ? reason : new Error(String(reason));
      const seconds = reason instanceof Error && 'seconds' in reason ? Number(reason.seconds) : null;
      this.#child.post({ kind: 'abort', name, message, seconds });
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#running = { context, ended, unlisten: () => signal.removeEventListener('abort', abort) };
    const { message, queue, redelivered } = request;
    const envelope = encodeEnvelope({
      ...encodeTask(message),
      properties: readProperties(request.properties),
    });
    this.#child.post({ kind: 'run', run: { envelope, queue, redelivered } });
    if (signal.aborted) abort();
    return ended.promise;
  }

  kill(): void {
    this.#child.kill();
  }

  /** See {@link Child.signal}. */
  signal(signum: number): boolean {
    return this.#child.signal(signum);
  }

  /** Asks a free child to end. */
  leave(): void {
    this.#child.post({ kind: 'leave' });
  }

  #take(message: FromChild): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.resolve(null);
        return;
      case 'unfit':
        this.#ready.resolve(message.reason);
        return;
      case 'log':
        this.#log(message);
        return;
      case 'end':
        this.#end(message.end);
        return;
      case 'call':
        void this.#answer(message.call, message.asked);
        return;
      case 'watch':
        void this.#watch(message.watch, message.id);
        return;
      case 'unwatch':
        this.#watches.get(message.watch)?.abort();
    }
  }

  #log({ level, fields, text, ofTask }: Extract<FromChild, { kind: 'log' }>): void {
    const { logger } = this.#parts;
    if (logger.isLevelEnabled?.(level) ?? true) logger[level](fields, text);
    if (ofTask) this.context?.logged?.(level, text);
  }

  #end({ outcome, children, rss }: WrittenEnd): void {
    const running = this.#running;
    this.#running = null;
    this.#ran++;
    this.#rss = rss;
    if (running === null) return;
    running.unlisten();
    try {
      running.context.request.children.push(...readChildren(children));
      running.ended.resolve(readOutcome(outcome));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      running.ended.resolve({ kind: 'failure', error: failure, expected: false });
    }
  }

  async #answer(call: number, asked: Parameters<typeof answerRequest>[0]): Promise<void> {
    try {
      const value = await answerRequest(asked, this.#parts.stores, this.context);
      this.#child.post({ kind: 'answer', call, value });
    } catch (error) {
      this.#child.post({ kind: 'refusal', call, error: writeRefusal(error) });
    }
  }

  async #watch(watch: number, id: string): Promise<void> {
    const { backend } = this.#parts.stores;
    const ending = new AbortController();
    this.#watches.set(watch, ending);
    try {
      if (backend !== null) {
        for await (const record of backend.watch(id, ending.signal))
          this.#child.post({ kind: 'record', watch, record: encodeResult(record) });
      }
    } catch (error) {
      this.#parts.logger.warn(
        { err: error, task_id: id },
        `a child's wait for a result failed: ${String(error)}`,
      );
    } finally {
      this.#watches.delete(watch);
      this.#child.post({ kind: 'record', watch, record: null });
    }
  }

  #exit(how: string): void {
    this.#gone = true;
    this.#ready.resolve(how);
    for (const watch of this.#watches.values()) watch.abort();
    const running = this.#running;
    this.#running = null;
    running?.unlisten();
    running?.ended.resolve({ kind: 'lost', reason: how });
    this.#parts.onExit(this, how);
  }
}
