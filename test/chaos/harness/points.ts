// The points through the path of a task at which workers are killed, and what makes a worker come by.
import type { Kind } from '../programs/sender.ts';

export type PlaceName = 'sqlite' | 'redis' | 'rabbitmq';
export type PoolName = 'async' | 'threads' | 'processes';

export interface Point {
  readonly name: string;
  readonly places: readonly PlaceName[];
  readonly pools: readonly PoolName[];
  /** What is sent while it is waited for. */
  readonly mix: Mix;
  /** It is reached so often that any of the first `upTo` times may be meant. */
  readonly upTo: number;
  /** Sent to the worker when it works, for what happens at its end only. */
  readonly signals: readonly NodeJS.Signals[];
  /** How long each task runs, milliseconds. */
  readonly ms: number;
}

export type Mix = Readonly<Partial<Record<Kind, number>>>;

const everywhere: readonly PlaceName[] = ['sqlite', 'redis', 'rabbitmq'];

/** Something of everything: what is in flight beside the point. */
const some: Mix = { step: 4, again: 1, later: 1, chain: 1, chord: 1, spawn: 1, reject: 1, requeue: 1 };

type Rest = Partial<Omit<Point, 'name'>>;

/** The points `name:before` and `name:after` of an operation. */
function around(name: string, rest: Rest = {}): Point[] {
  return [point(`${name}:before`, rest), point(`${name}:after`, rest)];
}

function point(name: string, rest: Rest = {}): Point {
  const { mix = {}, ...others } = rest;
  return {
    name,
    places: everywhere,
    pools: ['async'],
    upTo: 2,
    signals: [],
    ms: 5,
    ...others,
    mix: { ...some, ...mix },
  };
}

/** What goes to a server: half of it written, all of it, its answer there but not read. */
function wire(place: PlaceName, name: string, rest: Rest = {}): Point[] {
  return ['half', 'sent', 'answered'].map((part) =>
    point(`${name}:${part}`, { places: [place], upTo: 5, ...rest }),
  );
}

const every: readonly PoolName[] = ['async', 'threads', 'processes'];
const once = { upTo: 1 };

export const points: readonly Point[] = [
  // A worker comes.
  ...around('join', once),
  ...around('notices', once),
  // A task is claimed, found again, deferred for its time.
  ...around('claim', { upTo: 8 }),
  ...around('lookup', { ...once, mix: { requeue: 4 } }),
  ...around('schedule', { mix: { limited: 8 } }),
  point('revoked', { ...once, mix: { revoked: 1 } }),
  // It runs.
  point('dispatch', { upTo: 8, pools: every }),
  ...around('state', { mix: { spawn: 3 } }),
  point('start', { upTo: 8, pools: every }),
  point('effect:before', { upTo: 8, pools: every }),
  point('effect:after', { upTo: 8, pools: every }),
  ...around('publish', { mix: { spawn: 4 }, pools: every }),
  point('return', { upTo: 8, pools: every }),
  point('asked-retry', { ...once, mix: { again: 4 } }),
  // It is settled.
  ...around('result', { places: ['rabbitmq'], upTo: 8 }),
  ...around('ack', { upTo: 8, pools: every }),
  ...around('retry', { mix: { again: 4 } }),
  ...around('requeue', { mix: { requeue: 4 } }),
  ...around('dead-letter', { mix: { reject: 4 } }),
  // What follows it.
  ...around('link', { places: ['sqlite', 'redis'], mix: { chain: 4 } }),
  ...around('chord-part', { mix: { chord: 4 } }),
  ...around('chord-read', { ...once, mix: { chord: 4 } }),
  ...around('chord-end', { ...once, places: ['rabbitmq'], mix: { chord: 4 } }),
  // The worker leaves.
  point('shutdown:asked', { ...once, signals: ['SIGTERM'], ms: 30 }),
  point('shutdown:drained', { ...once, signals: ['SIGTERM'], ms: 30 }),
  ...around('leave', { ...once, signals: ['SIGTERM'], ms: 30 }),
  ...around('release', { ...once, signals: ['SIGTERM', 'SIGQUIT'], ms: 400 }),
  // In the middle of several writes; renewing, promoting and reclaiming are within `maintain` on Redis.
  point('sql.begin:after', { places: ['sqlite'], upTo: 30 }),
  point('sql.write:after', { places: ['sqlite'], upTo: 100 }),
  point('sql.commit:before', { places: ['sqlite'], upTo: 30 }),
  point('sql.commit:after', { places: ['sqlite'], upTo: 30 }),
  ...wire('redis', 'redis.batch', { upTo: 20 }),
  ...wire('redis', 'redis.maintain'),
  ...wire('redis', 'redis.send', { mix: { spawn: 4 }, ...once }),
  ...wire('rabbitmq', 'amqp.publish', { upTo: 10 }),
  ...wire('rabbitmq', 'amqp.ack', { upTo: 10 }).slice(0, 2),
];
