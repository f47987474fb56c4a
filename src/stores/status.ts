import type { TransportStatus } from './transport.ts';

const connected: TransportStatus = { state: 'connected', reason: null };

/** A transport's status, and those who want to hear of its changes. */
export class StatusNotifier {
  readonly #listeners = new Set<(status: TransportStatus) => void>();
  #status: TransportStatus;

  constructor(status: TransportStatus = connected) {
    this.#status = status;
  }

  get status(): TransportStatus {
    return this.#status;
  }

  /** Says so to all, if it is news. */
  set(status: TransportStatus): void {
    const { state, reason } = this.#status;
    if (state === status.state && reason === status.reason) return;
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }

  readonly listen = (listener: (status: TransportStatus) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
