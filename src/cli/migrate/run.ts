// `umbel migrate SRC DST`: opens both brokers, moves the waiting messages, and shows the progress.
import type { App } from '../../app/app.ts';
import { brokerOptions } from '../../config/driver-options.ts';
import { redacted } from '../../lib/redact.ts';
import type { WireMessage } from '../../protocol/message.ts';
import { openTransport } from '../../stores/registry.ts';
import type { Transport } from '../../stores/transport.ts';
import { endOfCommand } from '../events/listen.ts';
import type { Output } from '../output.ts';
import { progressBar } from '../progress-bar.ts';
import { exitCode, UsageError } from '../usage.ts';
import { marksAt } from './marks.ts';
import { type Moved, minIdleMs, move } from './move.ts';
import { taskOf } from './reading.ts';
import { waitingAt } from './scheduled.ts';

interface MigrateRules {
  readonly source: string;
  readonly destination: string;
  /** Queues at the source, with the queue at the destination of each; null: all known queues. */
  readonly queues: ReadonlyMap<string, string> | null;
  readonly limit: number | null;
  readonly forever: boolean;
  /** Only messages of these tasks; null: all. */
  readonly tasks: readonly string[] | null;
  /** The move ends when no message has come for this time. */
  readonly timeoutMs: number | null;
  /** Do not ask. */
  confirm(question: string): Promise<boolean>;
}

/** @throws UsageError when both brokers are the same; BrokerUnavailable when one of them cannot be reached */
export async function migrate(app: App, output: Output, rules: MigrateRules): Promise<void> {
  const { source, destination, limit, forever, tasks, timeoutMs } = rules;
  await using from = await openEnd(app, source);
  await using to = await openEnd(app, destination);
  const queues = rules.queues ?? (await queuesOf(app, from));
  checkApart(source, destination, queues);
  const total = await waitingIn(from, queues);
  const names = [...queues]
    .map(([here, there]) => (here === there ? `'${here}'` : `'${here}' (to '${there}')`))
    .join(', ');
  const what = tasks === null ? messages(total) : `messages of ${tasks.join(', ')}, among ${messages(total)}`;
  const question = `This moves ${what} of ${names} from ${redacted(source)} to ${redacted(destination)}. Are you sure?`;
  if (total > 0 && !(await rules.confirm(question))) {
    output.note('Nothing was moved.');
    process.exitCode = exitCode.failed;
    return;
  }
  using ending = endOfCommand();
  await using stale = await marksAt(from, source, driverOf(app, source));
  // The source's own marks are deleted: a message that leaves it now may be moved back later.
  await stale.forgetAll();
  await using marks = await marksAt(to, destination, driverOf(app, destination));
  await using waiting = await waitingAt(from, source, driverOf(app, source));
  const bar = progressBar(output, limit === null ? total : Math.min(total, limit), 'messages');
  let done: Moved;
  let moved = 0;
  try {
    const onMoved = (count: number): void => {
      moved += count;
      bar.update(moved);
    };
    const route = {
      queues,
      source: identityOf(source),
      limit,
      forever: forever && timeoutMs === null,
      idleMs: timeoutMs ?? minIdleMs,
      filtered: tasks !== null,
      fits: (message: WireMessage) => tasks === null || tasks.includes(taskOf(message)),
      signal: ending.signal,
      onMoved,
    };
    done = await move({ from, waiting, to, marks }, route);
  } catch (error) {
    bar.stop();
    output.note(
      `Moved ${messages(moved)} before that; the others stay at the source. Run the command again to go on.`,
    );
    throw error;
  }
  bar.stop();
  // If messages stay at the source, their marks stay as well.
  if (done.complete && tasks === null) await marks.forgetAll();
  await report(output, from, queues, done, ending.signal.aborted && !forever);
}

async function report(
  output: Output,
  from: Transport,
  queues: ReadonlyMap<string, string>,
  done: Moved,
  interrupted: boolean,
): Promise<void> {
  let left = 0;
  let held = 0;
  for (const queue of queues.keys()) {
    const { ready, scheduled, claimed } = await from.size(queue);
    left += ready + scheduled;
    held += claimed;
  }
  output.say(`Moved ${messages(done.moved)}.`);
  if (done.dead > 0)
    output.note(
      `${messages(done.dead)} could not be read, and went to the dead letters of the source: umbel dead list`,
    );
  if (done.doubled > 0)
    output.note(
      `${messages(done.doubled)} went to a worker of the source at the same time, and may run twice.`,
    );
  if (held > 0)
    output.note(
      `${messages(held)} are held by workers of the source: stop these, then run the command again.`,
    );
  if (interrupted) output.note(`Stopped; ${messages(left)} left. Run the command again to go on.`);
  output.data({ ...done, left, held });
  if (interrupted) process.exitCode = exitCode.failed;
}

/** Opens a broker. If it is the App's broker, it has the App's queues and driver options. */
function openEnd(app: App, url: string): Promise<Transport> {
  const { declared: queues, missing } = app.topology;
  return openTransport(url, { queues, missing, driver: driverOf(app, url) });
}

function driverOf({ config }: App, url: string): Readonly<Record<string, unknown>> {
  return config.broker === url ? brokerOptions(config) : {};
}

async function queuesOf(app: App, from: Transport): Promise<ReadonlyMap<string, string>> {
  const names = [...app.topology.named, app.config.taskDefaultQueue, ...(await from.queues())];
  return new Map([...new Set(names)].sort().map((name) => [name, name]));
}

function checkApart(source: string, destination: string, queues: ReadonlyMap<string, string>): void {
  if (identityOf(source) !== identityOf(destination)) return;
  for (const [here, there] of queues) {
    if (here === there || queues.has(there))
      throw new UsageError(
        'source and destination are the same broker; between queues of one broker: -Q from:to',
      );
  }
}

/** A broker's URL without the password, since the password does not change which broker it is. */
function identityOf(url: string): string {
  return redacted(url).replace(/\/+$/, '');
}

async function waitingIn(from: Transport, queues: ReadonlyMap<string, string>): Promise<number> {
  const sizes = await Promise.all([...queues.keys()].map((queue) => from.size(queue)));
  return sizes.reduce((sum, { ready, scheduled }) => sum + ready + scheduled, 0);
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
