// A child's requests to its worker, and the answers.
import {
  BrokerBlocked,
  BrokerUnavailable,
  SendUnconfirmed,
  StoreError,
  UnroutableError,
} from '../../../errors.ts';
import type { FromChild, StoreRequest, ToChild, WrittenRefusal } from './messages.ts';

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Called with each record of a watched task, and with `null` at the end. */
export type Watcher = (record: string | null) => void;

export class Calls {
  readonly #post: (message: FromChild) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Map<number, Watcher>();
  #last = 0;

  constructor(post: (message: FromChild) => void) {
    this.#post = post;
  }

  /** @throws what the worker's stores throw */
  ask(asked: StoreRequest): Promise<unknown> {
    const call = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#post({ kind: 'call', call, asked });
    });
  }

  /** Watches a record until the returned function is called. */
  watch(id: string, watcher: Watcher): () => void {
    const watch = ++this.#last;
    this.#watchers.set(watch, watcher);
    this.#post({ kind: 'watch', watch, id });
    return () => {
      if (this.#watchers.delete(watch)) this.#post({ kind: 'unwatch', watch });
    };
  }

  /** False: the message is no answer. */
  take(message: ToChild): boolean {
    if (message.kind === 'record') {
      const { watch, record } = message;
      this.#watchers.get(watch)?.(record);
      if (record === null) this.#watchers.delete(watch);
      return true;
    }
    if (message.kind !== 'answer' && message.kind !== 'refusal') return false;
    const pending = this.#pending.get(message.call);
    this.#pending.delete(message.call);
    if (message.kind === 'answer') pending?.resolve(message.value);
    else pending?.reject(readRefusal(message.error));
    return true;
  }
}

/** For the worker: an error of the stores in its form for the child. */
export function writeRefusal(error: unknown): WrittenRefusal {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { code, message, ids: error instanceof SendUnconfirmed ? error.taskIds : [] };
}

function readRefusal({ code, message, ids }: WrittenRefusal): Error {
  switch (code) {
    case 'UMBEL_BROKER_UNAVAILABLE':
      return new BrokerUnavailable(message);
    case 'UMBEL_BROKER_BLOCKED':
      return new BrokerBlocked(message);
    case 'UMBEL_SEND_UNCONFIRMED':
      return new SendUnconfirmed(ids, 'the worker got no answer', { cause: new Error(message) });
    case 'UMBEL_UNROUTABLE':
      return new UnroutableError(message);
    default:
      return new StoreError(message);
  }
}
