// Celery's message protocol 1: one map with the call and its options. It is read, never sent.
import type { Decoded, Json, TaskMessage, WireMessage } from './message.ts';
import { readCall } from './task-v2.ts';

/** Reads protocol 1. Its chains are nested `callbacks`; with `utc: false` its times are in the reader's local time. */
export function readTaskV1(wire: WireMessage, body: Json): Decoded<TaskMessage> {
  const fields = body.taskset === undefined ? body : { ...body, group: body.taskset };
  const { chain: _, ...embed } = body;
  return readCall(
    wire,
    fields,
    body.args,
    body.kwargs,
    embed,
    wire.headers,
    body.utc === false ? 'local' : 'utc',
  );
}
