// What programs that are none of ours, or are broken, may send where requests, replies and events travel.
import { broadcastMessage } from '../../src/protocol/broadcast.ts';
import type { WireMessage } from '../../src/protocol/message.ts';

const values = [
  'null',
  '1',
  '-0.5',
  '"x"',
  '[]',
  '[1]',
  '{}',
  'true',
  '"\\u0000"',
  '{"a":{"b":[]}}',
  '1e400',
];
const fields = [
  'method',
  'arguments',
  'destination',
  'pattern',
  'matcher',
  'ticket',
  'reply_to',
  'type',
  'hostname',
  'timestamp',
];
/** Where requests, replies and events are expected; none of them ends a worker or all of its tasks. */
export const bodies: readonly string[] = [
  '',
  '{',
  'null',
  '[]',
  '"ping"',
  '{"method": "ping"',
  '['.repeat(10_000),
  ...fields.flatMap((field) => values.map((value) => `{"method": "ping", "${field}": ${value}}`)),
  ...values.map((value) => `{"method": ${value}}`),
  ...values.map((value) => `{"method": "revoke", "arguments": ${value}}`),
  ...values.map(
    (value) => `{"method": "rate_limit", "arguments": {"task_name": ${value}, "rate_limit": ${value}}}`,
  ),
  ...values.map((value) => `{"method": "hello", "arguments": {"from_node": ${value}, "revoked": ${value}}}`),
  ...values.map((value) => `{"method": "pool_grow", "arguments": {"n": ${value}}}`),
  ...values.map((value) => `{"method": "query_task", "arguments": {"ids": ${value}}}`),
  ...values.map((value) => `{"method": "revoke_by_stamped_headers", "arguments": {"headers": ${value}}}`),
];

/** One with this body, and headers that are none of Celery's. */
export function message(text: string, contentType = 'application/json'): WireMessage {
  const to = { exchange: '', routingKey: '' };
  return { ...broadcastMessage(text, { clock: 'soon', ticket: 7 }, to), contentType };
}
