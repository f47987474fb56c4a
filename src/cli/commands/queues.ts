import { Command, Option } from 'commander';
import type { PeekQueueOptions, QueueState, WaitingTask } from '../../app/queues.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { pauseCommand, pauseText, resumeCommand } from '../pausing.ts';
import { clean } from '../terminal/clean.ts';
import { positiveInteger } from '../values.ts';
import { moveCommand } from '../waiting-actions.ts';

interface PeekOptions extends CommonOptions {
  readonly scheduled?: boolean;
  readonly first: NonNullable<PeekQueueOptions['first']>;
  readonly limit: number;
}

/** `umbel queues`: how full they are, and what waits in them. */
export function queuesCommand(): Command {
  return new Command('queues')
    .description(
      'Show how full the queues are, and when they will be empty; peek at what waits, and move it; pause and resume them.',
    )
    .addHelpText(
      'after',
      `
The rates need a recorder (umbel recorder), which hears what ends; what is sent it hears
with the setting taskSendSentEvent.

Examples:
  umbel queues
  umbel -A ./app.ts queues --json
  umbel queues peek mail --limit 5
  umbel queues peek mail --scheduled --first last
  umbel queues move mail slow -n 1000 --query 'name:mail.newsletter'
  umbel queues pause mail --reason 'the mail server is down'
  umbel queues resume mail

Workers of Python Celery do not know that a queue is paused: umbel control cancel_consumer mail -d celery@host.`,
    )
    .addCommand(
      new Command('list')
        .description('Show all queues (without a command: this).')
        .action((_: unknown, command: Command) => list(optionsOf<CommonOptions>(command))),
      { isDefault: true },
    )
    .addCommand(
      new Command('peek')
        .description('Show messages that wait in a queue, without taking them (not on RabbitMQ).')
        .argument('<queue>', 'Its name.')
        .option('--scheduled', 'What waits for its time, instead of what is ready.')
        .addOption(
          new Option('--first <end>', 'What comes next first, or what comes last.')
            .choices(['next', 'last'])
            .default('next'),
        )
        .option('--limit <number>', 'At most this number.', positiveInteger, 25)
        .action((queue: string, _: unknown, command: Command) =>
          peek(queue, optionsOf<PeekOptions>(command)),
        ),
    )
    .addCommand(moveCommand())
    .addCommand(pauseCommand('queue'))
    .addCommand(resumeCommand('queue'));
}

async function list(options: CommonOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const queues = await app.queues.list();
    output.data(queues);
    const head = ['queue', 'ready', 'scheduled', 'claimed', 'oldest', 'in/s', 'out/s', 'empty in'];
    await output.table(head, queues.map(rowOf));
    for (const pause of await app.queues.paused()) output.say(`Paused: ${pauseText(pause)}`);
  });
}

async function peek(
  queue: string,
  { scheduled = false, first, limit, ...options }: PeekOptions,
): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const place = scheduled ? 'scheduled' : 'ready';
    const waiting = await app.queues.peek(queue, { place, first, limit });
    output.data(waiting);
    if (waiting.length === 0) return output.say(`Nothing is ${place} in ${clean(queue)}.`);
    const head = ['position', 'task', 'id', 'arguments', 'waits since', 'due'];
    await output.table(head, waiting.map(waitingRow));
  });
}

function rowOf(queue: QueueState): readonly string[] {
  const { name, ready, scheduled, claimed, oldest, inRate, outRate } = queue;
  return [
    clean(name),
    String(ready),
    String(scheduled),
    String(claimed),
    ready === 0 ? '' : oldest === null ? '?' : lengthOf(oldest),
    rate(inRate),
    rate(outRate),
    emptyIn(queue),
  ];
}

function rate(perSecond: number | null): string {
  return perSecond === null ? '?' : perSecond.toFixed(perSecond < 10 ? 2 : 0);
}

function emptyIn({ ready, inRate, outRate, drainsIn, paused }: QueueState): string {
  if (paused !== null) return 'paused';
  if (ready === 0) return '';
  if (drainsIn !== null) return `${inRate === null ? 'at least ' : ''}${lengthOf(drainsIn)}`;
  return outRate === null ? '?' : 'never at this rate';
}

function waitingRow({ position, due, waitsSince, problem, call }: WaitingTask): readonly string[] {
  return [
    String(position),
    clean(call?.task ?? '?'),
    clean(call?.id ?? '?'),
    clean(call === null ? (problem ?? '') : argumentsOf(call)).slice(0, 200),
    waitsSince === null ? '?' : waitsSince.toISOString(),
    due === null ? '' : due.toISOString(),
  ];
}

function argumentsOf({ argsrepr, kwargsrepr }: NonNullable<WaitingTask['call']>): string {
  return kwargsrepr === '{}' ? argsrepr : `${argsrepr} ${kwargsrepr}`;
}

/** Seconds for people: `200 ms`, `3.2 s`, `4 min`, `2.5 h`. */
function lengthOf(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
