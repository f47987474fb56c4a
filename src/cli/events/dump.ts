// `umbel events --dump`: prints a line for each event.
import { events } from '../../events/receiver.ts';
import type { WireEvent } from '../../protocol/event.ts';
import type { Session } from '../common.ts';
import type { Output } from '../output.ts';
import { clean } from '../terminal/clean.ts';
import { enablingControl, endOfCommand } from './listen.ts';

interface DumpOptions {
  readonly enable: boolean;
  readonly quiet: boolean;
  readonly routingKey?: string;
  readonly limit?: number;
}

/** Runs until Ctrl-C, or until `limit` events were shown. */
export async function dumpEvents({ app, output }: Session, options: DumpOptions): Promise<void> {
  await using _enabling = await enablingControl(app, options.enable);
  using ending = endOfCommand();
  if (!options.quiet) output.note('Listening for events; Ctrl-C ends.');
  let seen = 0;
  const { routingKey } = options;
  const names = new TaskNames();
  const stream = events(app, { signal: ending.signal, ...(routingKey !== undefined && { routingKey }) });
  for await (const event of stream) {
    output.say(lineOf(event, names.of(event), output));
    output.data(event);
    if (++seen === options.limit) break;
  }
}

/** Names of tasks. Only the events `task-sent` and `task-received` have them, but each line shows them, like Celery's. */
class TaskNames {
  readonly #names = new Map<string, string>();

  of({ uuid, name }: WireEvent): string | undefined {
    if (typeof uuid !== 'string') return typeof name === 'string' ? name : undefined;
    if (typeof name !== 'string') return this.#names.get(uuid);
    this.#names.set(uuid, name);
    for (const oldest of this.#names.keys()) {
      if (this.#names.size <= maxNames) break;
      this.#names.delete(oldest);
    }
    return name;
  }
}

/** How many names are remembered, as in Celery. */
const maxNames = 4095;

const common = new Set(['type', 'hostname', 'timestamp', 'utcoffset', 'pid', 'clock', 'uuid', 'name']);

/** A line in Celery's form: node, time, type, and fields. */
function lineOf(event: WireEvent, name: string | undefined, output: Output): string {
  const time = new Date(Math.min(8e15, Math.max(0, event.timestamp * 1000)))
    .toISOString()
    .slice(0, 23)
    .replace('T', ' ');
  const about = [name, event.uuid].filter((each) => typeof each === 'string').join(' ');
  const fields = Object.entries(event)
    .filter(([name, value]) => !common.has(name) && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  const type = output.bold(clean(event.type));
  return `${clean(event.hostname)} [${time}] ${type} ${clean(`${about} ${fields}`)}`.trimEnd();
}
