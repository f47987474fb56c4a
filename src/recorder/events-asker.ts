// Asks workers to send task events: all of them, or those that do not write into the history stream, such as Celery's.
import type { Control } from '../control/control.ts';
import type { WireEvent } from '../protocol/event.ts';

/** What our workers call themselves in their heartbeats. */
const ours = 'js-umbel';
const mostNames = 10_000;

export class EventsAsker {
  readonly #control: Pick<Control, 'tell'>;
  readonly #all: boolean;
  readonly #others = new Set<string>();

  /** @param all ask our workers, too */
  constructor(control: Pick<Control, 'tell'>, all: boolean) {
    this.#control = control;
    this.#all = all;
  }

  /** Asks a worker at its first sign of life. */
  heard({ type, hostname, sw_ident: software }: WireEvent): void {
    if (type === 'worker-offline') this.#others.delete(hostname);
    else if (type.startsWith('worker-') && typeof software === 'string' && software !== ours) {
      if (this.#others.has(hostname) || this.#others.size >= mostNames) return;
      this.#others.add(hostname);
      if (!this.#all) this.ask();
    }
  }

  /** Asks again: a worker that was restarted has forgotten it. */
  ask(): void {
    if (!this.#all && this.#others.size === 0) return;
    const recipients = this.#all ? {} : { destination: [...this.#others] };
    this.#control.tell('enable_events', {}, recipients).catch(() => undefined);
  }
}
