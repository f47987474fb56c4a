// A worker that starts asks the other workers for revoked tasks and the logical time: Celery's mingle.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { LamportClock } from '../lib/lamport.ts';
import type { Logger } from '../lib/logger.ts';
import { readReply, requestMessage } from '../protocol/control.ts';
import type { Decoded, WireMessage } from '../protocol/message.ts';
import { isMap } from '../protocol/refusal.ts';
import { type Exchanges, type Fanout, maxRevocations } from '../stores/fanout.ts';
import { revokedTimes } from './commands/inspecting.ts';
import type { Revocations } from './revocations.ts';

interface MingleParts {
  readonly fanout: Fanout;
  readonly exchanges: Exchanges;
  /** Node name. */
  readonly name: string;
  readonly revocations: Revocations;
  readonly lamport: LamportClock;
  /** The serializers that are accepted. */
  readonly accepted: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the worker stops. */
  readonly signal: AbortSignal;
}

/** How long it waits for answers, milliseconds: Celery's inspect timeout. */
const gatherMs = 1_000;
/** Revocations that are sent along, the newest ones: each worker that starts sends them to all. */
const maxRevoked = 10_000;

/** Takes over the knowledge of the other workers. Never rejects, and does not mind a worker that does not answer. */
export async function mingle(parts: MingleParts): Promise<void> {
  const { fanout, clock, logger, signal } = parts;
  const { control, replies } = parts.exchanges;
  const key = randomUUID();
  const nodes = new Set<string>();
  const subscription = {
    exchange: replies,
    keys: [key],
    queue: `${key}.${replies.name}`,
    ttlMs: 300_000,
    expiresMs: 10_000,
  };
  try {
    await using _ = await fanout.subscribe(subscription, (message) => {
      for (const node of learn(message, parts)) nodes.add(node);
    });
    await fanout.publish(control, '', hello(parts, key));
    await clock.sleep(gatherMs, signal).catch(() => undefined);
  } catch (error) {
    logger.debug({ err: error }, `the other workers could not be asked: ${String(error)}`);
  }
  if (nodes.size > 0)
    logger.info({ nodes: [...nodes].slice(0, 100) }, `mingle: sync with ${nodes.size} nodes`);
}

function hello({ name, revocations, lamport, exchanges }: MingleParts, key: string): WireMessage {
  const request = {
    method: 'hello',
    arguments: { from_node: name, revoked: revokedTimes(revocations.ids.slice(-maxRevoked)) },
    destination: null,
    pattern: null,
    matcher: null,
    reply: { ticket: key, exchange: exchanges.replies.name, routingKey: key },
    clock: lamport.forward(),
  };
  return requestMessage(exchanges.control.name, request, Date.now() / 1000 + gatherMs / 1000);
}

/** Returns the name of the worker that answered, if it did. */
function learn(
  message: Decoded<WireMessage>,
  { name, revocations, lamport, accepted }: MingleParts,
): readonly string[] {
  const read = readReply(message, accepted);
  if (!read.ok) return [];
  const others = read.value.filter(({ node, value }) => node !== name && isMap(value));
  for (const { value, clock } of others) {
    lamport.adjust(clock);
    if (!isMap(value)) continue;
    lamport.adjust(value.clock);
    if (isMap(value.revoked)) revocations.learn(Object.keys(value.revoked).slice(-maxRevocations));
  }
  return others.map(({ node }) => node);
}
