// Tasks that wait for their time: announced when they are deferred, and listed for `inspect scheduled`.
import type { App } from '../app/app.ts';
import { decodeOptions } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { TaskMessage, WireMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Transport } from '../stores/transport.ts';
import type { TaskEvents } from './task-events.ts';

interface DeferredMessagesParts {
  readonly app: App;
  readonly transport: Transport;
  readonly events: TaskEvents;
  readonly clock: Clock;
}

interface DeferredMessage {
  readonly queue: string;
  readonly due: Date;
  readonly message: TaskMessage;
}

/** How many are listed. */
const maxShown = 100;
/** Bytes; a larger body is not remembered: tasks that wait for their time should cost a worker no memory. */
const largestRemembered = 10_000;

export class DeferredMessages {
  readonly #parts: DeferredMessagesParts;
  /** Where the broker cannot be asked: the messages that this worker deferred and that are due next. */
  #own: DeferredMessage[] = [];

  constructor(parts: DeferredMessagesParts) {
    this.#parts = parts;
  }

  /** A message is deferred until its time. True: `task-received` was sent for it. */
  early(wire: WireMessage, queue: string): boolean {
    const { events, app, transport } = this.#parts;
    const remembered = transport.peek === undefined && wire.body.length <= largestRemembered;
    if (!events.on && !remembered) return false;
    const read = decodeTask(wire, decodeOptions(app.config));
    if (!read.ok || read.value.eta === null) return false;
    const message = read.value;
    if (remembered) this.#remember({ queue, due: read.value.eta, message });
    if (events.on) events.received(message, { queue, crashes: 0 });
    return events.on;
  }

  /** The messages of these queues that are due next. @throws BrokerUnavailable */
  async next(queues: readonly string[]): Promise<readonly DeferredMessage[]> {
    const { transport } = this.#parts;
    if (transport.peek === undefined) {
      this.#forgetDue();
      return this.#own.filter(({ queue }) => queues.includes(queue));
    }
    const found: DeferredMessage[] = [];
    for (const queue of queues) {
      const shown = await transport.peek(queue, { place: 'scheduled', first: 'next', limit: maxShown });
      for (const { due, message } of shown) {
        if (due === null || message === null) continue;
        const read = message.ok ? decodeTask(message.value, decodeOptions(this.#parts.app.config)) : message;
        if (read.ok) found.push({ queue, due, message: read.value });
      }
    }
    return earliest(found);
  }

  #remember(waiting: DeferredMessage): void {
    this.#forgetDue();
    this.#own = earliest([...this.#own.filter(({ message }) => message.id !== waiting.message.id), waiting]);
  }

  #forgetDue(): void {
    const now = this.#parts.clock.now();
    this.#own = this.#own.filter(({ due }) => due.getTime() > now);
  }
}

function earliest(waiting: readonly DeferredMessage[]): DeferredMessage[] {
  return [...waiting].sort((a, b) => a.due.getTime() - b.due.getTime()).slice(0, maxShown);
}
