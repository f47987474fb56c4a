import type { TransportStatus } from './transport.ts';

const connected: TransportStatus = { state: 'connected', reason: null };

/** A transport's status, and the listeners to its changes. */
export class StatusNotifier {
  readonly #listeners = new Set<(status: TransportStatus) => void>();
  #status: TransportStatus;

  constructor(status: TransportStatus = connected) {
    this.#status = status;
  }

  get status(): TransportStatus {
    return this.#status;
  }

  /** Sets the status, and calls the listeners if it has changed. */
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
