// The worker's answers to its children's requests: for its stores, and for the state of the running task.

import { BrokerUnavailable } from '../../errors.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import { decodeJson } from '../../protocol/json.ts';
import type { Decoded } from '../../protocol/message.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import type { TaskState } from '../../protocol/result-meta.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import type { Locks } from '../../stores/locks.ts';
import type { Publication, Transport } from '../../stores/transport.ts';
import type { StoreRequest, WrittenPublication } from './child/messages.ts';

export interface RequestStores {
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
}

/** What a request needs of the run. */
interface RequestRun {
  updateState(state: TaskState, meta: unknown): Promise<void>;
}

/** @throws what the stores throw */
export async function answerRequest(
  request: StoreRequest,
  stores: RequestStores,
  run: RequestRun | null,
): Promise<unknown> {
  const { transport } = stores;
  switch (request.what) {
    case 'state':
      return run?.updateState(request.state, take(decodeJson(request.meta)));
    case 'publish': {
      const publications = request.publications.map((written) => publicationOf(written, stores.backend));
      return transport.publish(
        publications,
        request.timeoutMs === null ? {} : { timeoutMs: request.timeoutMs },
      );
    }
    case 'put': {
      const { replyTo, correlationId } = request;
      return backendOf(stores).put(take(decodeResult(request.record)), { replyTo, correlationId });
    }
    case 'get': {
      const record = await backendOf(stores).get(request.id);
      return record === undefined ? null : encodeResult(record);
    }
    case 'forget':
      return backendOf(stores).forget(request.id);
    case 'replyTo':
      return backendOf(stores).replyTo?.();
    case 'size':
      return transport.size(request.queue);
    case 'purge':
      return transport.purge(request.queue);
    case 'lock':
      return (await locksOf(stores)).take(request);
    case 'extend':
      return (await locksOf(stores)).extend(request);
    case 'unlock':
      return (await locksOf(stores)).release(request.key, request.id);
    case 'owner':
      return (await locksOf(stores)).owner(request.key);
    case 'queues':
      return transport.queues();
    case 'tell':
      return transport.fanout.publish(
        request.exchange,
        request.routingKey,
        take(decodeEnvelope(request.envelope)),
      );
    case 'workers':
      return transport.fanout.workers();
  }
}

async function locksOf({ transport, backend }: RequestStores): Promise<Locks> {
  const locks = await (transport.openLocks?.() ?? backend?.openLocks?.());
  if (locks !== undefined) return locks;
  throw new BrokerUnavailable('neither the broker nor the results can keep the lock of a unique task');
}

function backendOf({ backend }: RequestStores): ResultBackend {
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
