// Celery's message protocol 2: the options of the call in the headers, the call itself in the body.
import { NotSerializableError } from '../errors.ts';
import type { Decoded, Embed, Json, TaskMessage, WireMessage } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';
import { decodeSignature, decodeSignatures } from './signature-wire.ts';
import { readTask } from './task-fields.ts';
import { formatTimestamp } from './timestamp.ts';

/** The headers of protocol 2 with the user's custom headers. A custom header with the name of one of Celery's headers is not sent. */
export function taskHeaders(message: TaskMessage, compression: string | undefined): Json {
  return {
    ...message.headers,
    lang: message.lang,
    task: message.task,
    id: message.id,
    shadow: message.shadow,
    eta: message.eta === null ? null : timestamp(message.eta, 'eta'),
    expires: message.expires === null ? null : timestamp(message.expires, 'expires'),
    group: message.group,
    group_index: message.groupIndex,
    retries: message.retries,
    timelimit: [message.timeLimit, message.softTimeLimit],
    root_id: message.rootId,
    parent_id: message.parentId,
    argsrepr: message.argsrepr,
    kwargsrepr: message.kwargsrepr,
    origin: message.origin,
    ignore_result: message.ignoreResult,
    replaced_task_nesting: message.replacedTaskNesting,
    stamped_headers: message.stampedHeaders,
    stamps: message.stamps,
    ...(compression === undefined ? undefined : { compression }),
  };
}

/** Reads protocol 2, and the mixed form: a header `task`, and a body that is a map with `args`. */
export function readTaskV2(wire: WireMessage, payload: unknown): Decoded<TaskMessage> {
  if (isMap(payload) && payload.args !== undefined) {
    // Celery's rule for the mixed form: headers win over the body's fields.
    return readCall(
      wire,
      { ...payload, ...wire.headers },
      payload.args,
      payload.kwargs,
      payload,
      customHeaders(wire.headers),
    );
  }
  if (!Array.isArray(payload))
    return refuse('body', `the body is ${kindOf(payload)}, not [args, kwargs, embed]`);
  if (payload.length !== 3)
    return refuse('body', `the body has ${payload.length} parts, not three: [args, kwargs, embed]`);
  return readCall(wire, wire.headers, payload[0], payload[1], payload[2], customHeaders(wire.headers));
}

/** Reads the parts of a call that both protocols have. */
export function readCall(
  wire: WireMessage,
  fields: Json,
  args: unknown,
  kwargs: unknown,
  embed: unknown,
  headers: Json,
  naiveTime: 'utc' | 'local' = 'utc',
): Decoded<TaskMessage> {
  const list = readArgs(args);
  if (list === undefined) return refuse('body', `the args are ${kindOf(args)}, not a list`);
  if (kwargs !== undefined && kwargs !== null && !isMap(kwargs)) {
    return refuse('body', `the kwargs are ${kindOf(kwargs)}, not a map`);
  }
  const next = readEmbed(embed);
  if (!next.ok) return next;
  return readTask(wire, fields, { args: list, kwargs: kwargs ?? {}, embed: next.value, headers }, naiveTime);
}

function readArgs(args: unknown): readonly unknown[] | undefined {
  if (Array.isArray(args)) return args;
  if (args === undefined || args === null) return [];
  // Celery runs a task whose args are `{}` without arguments. A map with keys would pass its keys as arguments, which no sender intends.
  return isMap(args) && Object.keys(args).length === 0 ? [] : undefined;
}

const nothingNext: Embed = { callbacks: null, errbacks: null, chain: null, chord: null };

function readEmbed(value: unknown): Decoded<Embed> {
  if (value === undefined || value === null) return accept(nothingNext);
  if (!isMap(value)) return refuse('body', `the embed is ${kindOf(value)}, not a map`);
  const callbacks = decodeSignatures(value.callbacks, 'embed.callbacks');
  if (!callbacks.ok) return callbacks;
  const errbacks = decodeSignatures(value.errbacks, 'embed.errbacks');
  if (!errbacks.ok) return errbacks;
  const chain = decodeSignatures(value.chain, 'embed.chain');
  if (!chain.ok) return chain;
  if (value.chord === undefined || value.chord === null) {
    return accept({ callbacks: callbacks.value, errbacks: errbacks.value, chain: chain.value, chord: null });
  }
  const chord = decodeSignature(value.chord, 'embed.chord');
  if (!chord.ok) return chord;
  return accept({
    callbacks: callbacks.value,
    errbacks: errbacks.value,
    chain: chain.value,
    chord: chord.value,
  });
}

/** The custom headers: all headers that are not Celery's. */
function customHeaders(headers: Json): Json {
  const custom: Record<string, unknown> = {};
  for (const key in headers) {
    if (!celeryHeaders.has(key)) custom[key] = headers[key];
  }
  return custom;
}

/** The names of Celery's own headers, which custom headers cannot have. */
export const celeryHeaders: ReadonlySet<string> = new Set([
  'lang',
  'task',
  'id',
  'shadow',
  'eta',
  'expires',
  'group',
  'group_index',
  'retries',
  'timelimit',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'origin',
  'ignore_result',
  'replaced_task_nesting',
  'stamped_headers',
  'stamps',
  'compression',
  'meth',
  'redelivered', // kombu's, when it restores a message
  '__proto__', // reserved, since a program that copies headers by assignment would change a prototype
]);

function timestamp(date: Date, option: string): string {
  try {
    return formatTimestamp(date);
  } catch (cause) {
    throw new NotSerializableError(
      `$${option}`,
      `it is ${cause instanceof Error ? cause.message : 'no date'}`,
      { cause },
    );
  }
}
