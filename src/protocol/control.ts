// Celery's remote control: requests to workers, and their replies.
import { timedTest } from '../lib/timed-regex.ts';
import { broadcastMessage, readBroadcastMap } from './broadcast.ts';
import { encodeJson } from './json.ts';
import type { Decoded, Json, WireMessage } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';

/** A request to workers. */
export interface ControlRequest {
  readonly method: string;
  readonly arguments: Json;
  /** Node names; null: all. */
  readonly destination: readonly string[] | null;
  /** A pattern of node names. */
  readonly pattern: string | null;
  readonly matcher: 'glob' | 'pcre' | null;
  /** Where replies go; null: the sender wants no reply. */
  readonly reply: {
    readonly ticket: string;
    readonly exchange: string;
    readonly routingKey: string;
  } | null;
  /** The sender's logical time. */
  readonly clock: number;
}

/** The reply of a worker. */
interface ControlReply {
  readonly node: string;
  readonly value: unknown;
  readonly ticket: string;
  readonly clock: number;
}

const readable = ['json', 'yaml', 'msgpack'];

/** `exchange`: its name. `expires`: seconds since 1970; 0: never. @throws NotSerializableError */
export function requestMessage(exchange: string, request: ControlRequest, expires: number): WireMessage {
  const { method, destination, pattern, matcher, reply } = request;
  const body = {
    method,
    arguments: request.arguments,
    destination,
    pattern,
    matcher,
    ...(reply !== null && {
      ticket: reply.ticket,
      reply_to: { exchange: reply.exchange, routing_key: reply.routingKey },
    }),
  };
  return broadcastMessage(encodeJson(body), { clock: request.clock, expires }, { exchange, routingKey: '' });
}

/** Never throws. `accepted`: the serializers that are read, besides JSON, which all our clients write. */
export function readRequest(
  message: Decoded<WireMessage>,
  accepted: readonly string[] = readable,
): Decoded<ControlRequest> {
  if (!message.ok) return message;
  const { headers } = message.value;
  const body = readBroadcastMap(message.value, ['json', ...accepted]);
  if (!body.ok) return body;
  const { method, arguments: given, destination, pattern, matcher, ticket, reply_to } = body.value;
  if (typeof method !== 'string' || method === '')
    return refuse('body', `the method is ${kindOf(method)}, not a name`);
  const args = given ?? {};
  if (!isMap(args)) return refuse('body', `the arguments are ${kindOf(args)}, not a map`);
  const nodes = typeof destination === 'string' ? [destination] : (destination ?? null);
  if (nodes !== null && !(Array.isArray(nodes) && nodes.every((node) => typeof node === 'string')))
    return refuse('body', 'the destination is not a list of node names');
  return accept({
    method,
    arguments: args,
    destination: nodes,
    pattern: typeof pattern === 'string' ? pattern : null,
    matcher: matcher === 'glob' || matcher === 'pcre' ? matcher : null,
    reply: readReplyTo(reply_to, ticket),
    clock: typeof headers.clock === 'number' ? headers.clock : 0,
  });
}

/** @throws NotSerializableError */
export function replyMessage(
  { node, value, ticket, clock }: ControlReply,
  to: { readonly exchange: string; readonly routingKey: string },
): WireMessage {
  return broadcastMessage(encodeJson({ [node]: value }), { ticket, clock }, to);
}

/** Reads the replies in a message, which may be of several nodes. Never throws. `accepted`: as in {@link readRequest}. */
export function readReply(
  message: Decoded<WireMessage>,
  accepted: readonly string[] = readable,
): Decoded<readonly ControlReply[]> {
  if (!message.ok) return message;
  const { headers } = message.value;
  const body = readBroadcastMap(message.value, ['json', ...accepted]);
  if (!body.ok) return body;
  const ticket = typeof headers.ticket === 'string' ? headers.ticket : '';
  const clock = typeof headers.clock === 'number' ? headers.clock : 0;
  return accept(Object.entries(body.value).map(([node, value]) => ({ node, value, ticket, clock })));
}

/** Whether a request is for the worker of this name. An invalid pattern matches no worker. */
export function isMeant(
  { destination, pattern, matcher }: Pick<ControlRequest, 'destination' | 'pattern' | 'matcher'>,
  node: string,
): boolean {
  if (destination !== null) return destination.includes(node);
  if (pattern === null || matcher === null) return true;
  if (pattern.length > longestPattern) return false;
  return matcher === 'glob' ? globMatches(pattern, node) : regexMatches(pattern, node);
}

const longestPattern = 1000;

function readReplyTo(replyTo: unknown, ticket: unknown): ControlRequest['reply'] {
  if (!isMap(replyTo)) return null;
  const { exchange, routing_key: routingKey } = replyTo;
  if (typeof exchange !== 'string' || typeof routingKey !== 'string') return null;
  return { exchange, routingKey, ticket: typeof ticket === 'string' ? ticket : '' };
}

/** Python's fnmatch, in polynomial time for every pattern. */
export function globMatches(pattern: string, text: string): boolean {
  const parts = pattern.match(/\*|\?|\[!?\]?[^\]]*\]|[\s\S]/gu) ?? [];
  const letters = [...text];
  let at = new Set([0]);
  for (const part of parts) {
    const next = new Set<number>();
    for (const position of at) {
      if (part === '*') for (let end = position; end <= letters.length; end++) next.add(end);
      else if (position < letters.length && letterFits(part, letters[position] ?? '')) next.add(position + 1);
    }
    at = next;
  }
  return at.has(letters.length);
}

function letterFits(part: string, letter: string): boolean {
  if (part === '?') return true;
  if (part.length < 3 || !part.startsWith('[')) return part === letter;
  const negated = part[1] === '!';
  const members = part.slice(negated ? 2 : 1, -1);
  let inside = false;
  for (let n = 0; n < members.length; n++) {
    const low = members[n] ?? '';
    if (members[n + 1] === '-' && n + 2 < members.length) {
      inside ||= low <= letter && letter <= (members[n + 2] ?? '');
      n += 2;
    } else inside ||= low === letter;
  }
  return inside !== negated;
}

/** Like Python's `re.match`: matches at the start of the text. */
function regexMatches(pattern: string, text: string): boolean {
  return timedTest(`^(?:${pattern})`, 'u', text.slice(0, 255));
}
