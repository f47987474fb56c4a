import { Command } from 'commander';
import type { WireEvent } from '../../protocol/event.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import type { Output } from '../output.ts';
import { positiveInteger } from '../values.ts';

interface EventsOptions extends CommonOptions {
  readonly dump?: boolean;
  readonly enable?: boolean;
  readonly routingKey?: string;
  readonly limit?: number;
}

/** `umbel events`: what happens, as it happens. */
export function eventsCommand(): Command {
  return new Command('events')
    .description('Show what happens to tasks and workers, as it happens.')
    .option('-d, --dump', 'A line for each event. (What there is for now; also the default.)')
    .option('--no-enable', 'Do not ask workers to tell of their tasks while this runs.')
    .option('--routing-key <pattern>', 'Only these: task.# or worker.heartbeat. Default: all.')
    .option('--limit <number>', 'End after so many events.', positiveInteger)
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts events --dump
  umbel -b redis://localhost/0 events --json | jq .type

With --json: a line of JSON for each. Ctrl-C ends it.`,
    )
    .action((_: unknown, self: Command) => watch(optionsOf<EventsOptions>(self)));
}

/** How often workers are asked to tell of their tasks: those that come later are to do so, too. */
const enableEveryMs = 5_000;

async function watch(options: EventsOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { events } = await import('../../events/receiver.ts');
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const ending = new AbortController();
    const end = (): void => ending.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
    const enable = (): void => void control.tell('enable_events').catch(() => undefined);
    if (options.enable !== false) enable();
    const enabling = options.enable === false ? null : setInterval(enable, enableEveryMs);
    try {
      if (!options.quiet) output.note('Listening for events; Ctrl-C ends.');
      let seen = 0;
      const { routingKey } = options;
      for await (const event of events(app, {
        signal: ending.signal,
        ...(routingKey !== undefined && { routingKey }),
      })) {
        output.say(lineOf(event, output));
        output.data(event);
        if (++seen === options.limit) break;
      }
    } finally {
      if (enabling !== null) clearInterval(enabling);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end);
    }
  });
}

const common = new Set(['type', 'hostname', 'timestamp', 'utcoffset', 'pid', 'clock', 'uuid', 'name']);

/** Celery's: node, time, what, and its fields. */
function lineOf(event: WireEvent, output: Output): string {
  const time = new Date(Math.min(8e15, Math.max(0, event.timestamp * 1000)))
    .toISOString()
    .slice(0, 23)
    .replace('T', ' ');
  const about = [event.name, event.uuid].filter((each) => typeof each === 'string').join(' ');
  const fields = Object.entries(event)
    .filter(([name, value]) => !common.has(name) && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  const type = output.bold(clean(event.type));
  return `${clean(event.hostname)} [${time}] ${type} ${clean(`${about} ${fields}`)}`.trimEnd();
}

/** A terminal must not be told what to do by the arguments of a task. */
function clean(text: string): string {
  return [...text].map((letter) => (letter < ' ' || letter === '\x7f' ? '?' : letter)).join('');
}
