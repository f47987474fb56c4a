// Reads the task name and the eta of a message, in any version of the protocol.
import { standardCompressions } from '../../protocol/compression.ts';
import type { WireMessage } from '../../protocol/message.ts';
import { type DecodeTaskOptions, decodeTask } from '../../protocol/task.ts';

/** All serializers and compressions that any worker may accept. */
const everything: DecodeTaskOptions = {
  accept: ['json', 'yaml', 'msgpack'],
  acceptCompression: [...standardCompressions, 'bzip2'],
};

export function idOf({ headers, properties }: WireMessage): string | null {
  return typeof headers.id === 'string' ? headers.id : properties.correlationId;
}

/** The message's eta, if it is in the future. */
export function etaOf(message: WireMessage, now: number = Date.now()): Date | null {
  const decoded = decodeTask(message, everything);
  const { eta } = message.headers;
  const time = decoded.ok ? decoded.value.eta : typeof eta === 'string' ? new Date(eta) : null;
  return time !== null && time.getTime() > now ? time : null;
}

/** The name of the message's task; empty if it cannot be read. */
export function taskOf(message: WireMessage): string {
  if (typeof message.headers.task === 'string') return message.headers.task;
  const decoded = decodeTask(message, everything);
  return decoded.ok ? decoded.value.task : '';
}
