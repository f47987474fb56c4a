// The fields that all events of a process share.
import { hostname as host } from 'node:os';
import { asciiJson } from '../lib/json-writer.ts';
import { LamportClock } from '../lib/lamport.ts';
import type { WireEvent } from '../protocol/event.ts';

/** Celery's form of the name of a process that is no worker. */
export function anonymousNode(): string {
  return `gen${process.pid}@${host()}`;
}

/** The logical clock of this process. */
export const processClock: LamportClock = new LamportClock();

/** Fields that every event has. `now`: milliseconds since 1970. */
export function stamped(
  type: string,
  hostname: string,
  fields: Readonly<Record<string, unknown>>,
  now: number,
  clock: LamportClock = processClock,
): WireEvent {
  return {
    ...fields,
    type,
    hostname,
    timestamp: now / 1000,
    utcoffset: utcOffset(now),
    pid: process.pid,
    clock: clock.forward(),
  };
}

/**
 * The same as JSON in ASCII, for events of tasks: the part after the event's own fields, up to the value of its clock. It stays the same for a whole
 * millisecond; ten thousand times a second that counts.
 */
export function stampText(hostname: string, now: number): string {
  const name = asciiJson(hostname);
  return `,"hostname":${name},"timestamp":${now / 1000},"utcoffset":${utcOffset(now)},"pid":${process.pid},"clock":`;
}

let offset = 0;
let offsetUntil = 0;

/** Hours west of UTC. Looked up once a minute: asking the system costs more than all the rest. */
function utcOffset(now: number): number {
  if (now >= offsetUntil || now < offsetUntil - 60_000) {
    offset = Math.floor(new Date(now).getTimezoneOffset() / 60);
    offsetUntil = now + 60_000;
  }
  return offset;
}
