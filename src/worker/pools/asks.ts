// The worker's side of what its children ask for: its stores, and the state of the task that they run.

import { BrokerUnavailable } from '../../errors.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import { decodeJson } from '../../protocol/json.ts';
import type { Decoded } from '../../protocol/message.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import type { TaskState } from '../../protocol/result-meta.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import type { Locks } from '../../stores/locks.ts';
import type { Publication, Transport } from '../../stores/transport.ts';
import type { Asked, WrittenPublication } from './child/messages.ts';

export interface AskedOf {
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
}

/** What a run may be asked for while it runs. */
interface AskedRun {
  updateState(state: TaskState, meta: unknown): Promise<void>;
}

/** @throws what the stores throw */
export async function answer(asked: Asked, stores: AskedOf, run: AskedRun | null): Promise<unknown> {
  const { transport } = stores;
  switch (asked.what) {
    case 'state':
      return run?.updateState(asked.state, take(decodeJson(asked.meta)));
    case 'publish': {
      const publications = asked.publications.map((written) => publicationOf(written, stores.backend));
      return transport.publish(publications, asked.timeoutMs === null ? {} : { timeoutMs: asked.timeoutMs });
    }
    case 'put': {
      const { replyTo, correlationId } = asked;
      return backendOf(stores).put(take(decodeResult(asked.record)), { replyTo, correlationId });
    }
    case 'get': {
      const record = await backendOf(stores).get(asked.id);
      return record === undefined ? null : encodeResult(record);
    }
    case 'forget':
      return backendOf(stores).forget(asked.id);
    case 'replyTo':
      return backendOf(stores).replyTo?.();
    case 'size':
      return transport.size(asked.queue);
    case 'purge':
      return transport.purge(asked.queue);
    case 'lock':
      return (await locksOf(stores)).take(asked);
    case 'extend':
      return (await locksOf(stores)).extend(asked);
    case 'unlock':
      return (await locksOf(stores)).release(asked.key, asked.id);
    case 'owner':
      return (await locksOf(stores)).owner(asked.key);
    case 'queues':
      return transport.queues();
    case 'tell':
      return transport.fanout.publish(asked.exchange, asked.routingKey, take(decodeEnvelope(asked.envelope)));
    case 'workers':
      return transport.fanout.workers();
  }
}

async function locksOf({ transport, backend }: AskedOf): Promise<Locks> {
  const locks = await (transport.openLocks?.() ?? backend?.openLocks?.());
  if (locks !== undefined) return locks;
  throw new BrokerUnavailable('neither the broker nor the results can keep the lock of a unique task');
}

function backendOf({ backend }: AskedOf): ResultBackend {
  if (backend === null) throw new TypeError('a child without a result backend asked for one');
  return backend;
}

function publicationOf(
  { id, queue, exchange, envelope, eta, once, sent }: WrittenPublication,
  backend: ResultBackend | null,
): Publication {
  return {
    id,
    queue,
    message: take(decodeEnvelope(envelope)),
    eta: eta === null ? null : new Date(eta),
    ...(exchange !== null && { exchange }),
    ...(once && { once }),
    ...(sent !== null &&
      backend !== null && { write: backend.writeOfSent(take(decodeResult(sent.record)), sent.elsewhere) }),
  };
}

function take<T>(decoded: Decoded<T>): T {
  if (decoded.ok) return decoded.value;
  throw new TypeError(`what a child wrote cannot be read: ${decoded.refusal.detail}`);
}
