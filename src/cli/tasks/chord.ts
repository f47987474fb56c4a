// `umbel tasks chord`: chords that wait for members, and their repair.
import { Command } from 'commander';
import type { App } from '../../app/app.ts';
import type { ChordStatus, RetryMemberChanges } from '../../app/chords.ts';
import { optionsOf, type Session, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { counted, type Output } from '../output.ts';
import { askingOf, type RemoteOptions, withRemoteOptions } from '../remote.ts';
import { clean } from '../terminal/clean.ts';
import { exitCode } from '../usage.ts';
import { json, jsonArray, jsonObject, positiveInteger } from '../values.ts';

interface ChordOptions extends RemoteOptions {
  readonly value?: unknown;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly queue?: string;
  readonly limit: number;
  readonly force?: boolean;
}

/** Missing members of which workers are asked. */
const askedOf = 5;

export function chordCommand(): Command {
  const action = (name: string, description: string) =>
    new Command(name)
      .description(description)
      .argument('<id>', 'Id of its header, the group; with a recorder, of its body or of a member.')
      .option('--reason <text>', 'Why, for the audit log.');
  return new Command('chord')
    .description(
      'Show a chord that waits for members; run one again, give it a value, fire or cancel the chord.',
    )
    .addCommand(
      withRemoteOptions(
        new Command('show')
          .description('Show which members are missing, and why (without a command: this).')
          .argument('<id>', 'Id of its header, the group; with a recorder, of its body or of a member.')
          .option(
            '--limit <number>',
            'At most this number of members, the missing ones first.',
            positiveInteger,
            20,
          ),
      ).action((id: string, _: unknown, command: Command) => show(id, optionsOf<ChordOptions>(command))),
      { isDefault: true },
    )
    .addCommand(
      action('retry', 'Run a member again that is missing or did not succeed. Its end counts.')
        .argument('<member>', 'Id of the member.')
        .option('-a, --args <json>', `Other positional arguments: '[1, "two"]'.`, jsonArray)
        .option('-k, --kwargs <json>', `Other keyword arguments: '{"name": "value"}'.`, jsonObject)
        .option('-Q, --queue <name>', 'Another queue.')
        .action((id: string, member: string, _: unknown, command: Command) => {
          const { args, kwargs, queue, ...options } = optionsOf<ChordOptions>(command);
          const changes: RetryMemberChanges = {
            ...(args !== undefined && { args }),
            ...(kwargs !== undefined && { kwargs }),
            ...(queue !== undefined && { queue }),
          };
          return act(options, (app) => app.chords.retry(id, member, changes));
        }),
    )
    .addCommand(
      action('give', 'End a member that is missing or did not succeed with a value.')
        .argument('<member>', 'Id of the member.')
        .argument('<json>', `The value: 5, '"text"', null …`, json)
        .action((id: string, member: string, value: unknown, _: unknown, command: Command) =>
          act(optionsOf<ChordOptions>(command), (app) => app.chords.give(id, member, value)),
        ),
    )
    .addCommand(
      action('fire', 'Send the body now. Members that have not succeeded are left out.')
        .option('--value <json>', 'They are not left out: each has this value.', json)
        .option('-f, --force', 'Do not ask.')
        .action((id: string, _: unknown, command: Command) => {
          const { value, ...options } = optionsOf<ChordOptions>(command);
          const missing = value === undefined ? {} : { value };
          const how = value === undefined ? 'without them' : `with ${JSON.stringify(value)} for each of them`;
          return act(options, (app) => app.chords.fire(id, missing), {
            id,
            text: `The body will be sent ${how}.`,
          });
        }),
    )
    .addCommand(
      action('cancel', 'Revoke the members that have not ended, and fail the body.')
        .option('-f, --force', 'Do not ask.')
        .action((id: string, _: unknown, command: Command) =>
          act(optionsOf<ChordOptions>(command), (app) => app.chords.cancel(id), {
            id,
            text: 'They will be revoked, and the body fails.',
          }),
        ),
    );
}

async function show(id: string, options: ChordOptions): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    const found = await app.chords.get(id);
    if (found === undefined) return unknownChord(id, session);
    const status = await withReasons(app, found, options);
    output.data(status);
    await print(status, output, options.limit);
  });
}

/** Asks queues and workers where the first missing members are. */
async function withReasons(app: App, status: ChordStatus, options: ChordOptions): Promise<ChordStatus> {
  const missing = status.members.filter(({ counted }) => !counted).slice(0, askedOf);
  if (missing.length === 0) return status;
  const { Control } = await import('../../control/control.ts');
  await using control = new Control(app);
  const texts = new Map<string, string>();
  for (const { id } of missing) {
    const { kind, text } = await control.why(id, askingOf(options));
    if (kind !== 'ended') texts.set(id, `${kind}: ${text}`);
  }
  const members = status.members.map((member) => ({
    ...member,
    reason: texts.get(member.id) ?? member.reason,
  }));
  return { ...status, members };
}

async function act(
  options: Omit<ChordOptions, 'value' | 'args' | 'kwargs' | 'queue'>,
  work: (app: App) => Promise<ChordStatus>,
  asked?: { readonly id: string; readonly text: string },
): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    if (asked !== undefined) {
      const before = await app.chords.get(asked.id);
      if (before === undefined) return unknownChord(asked.id, session);
      const open =
        before.total === null
          ? 'It is not known how many members are'
          : counted(before.total - before.counted, 'member');
      if (!(await confirmed(`${open} missing. ${asked.text}`, options.force ?? false))) {
        output.note('Nothing was changed.');
        process.exitCode = exitCode.failed;
        return;
      }
    }
    const status = await work(app);
    output.data(status);
    await print(status, output, 5);
  });
}

function unknownChord(id: string, { output }: Session): void {
  output.note(
    `umbel: no chord '${id}' is known: it never was, or ended more than an hour ago, or has expired. Without a recorder only the id of its header finds it.`,
  );
  process.exitCode = exitCode.failed;
}

async function print(status: ChordStatus, output: Output, limit: number): Promise<void> {
  const { id, bodyId, bodyTask, state, total, counted: ended, members, unknown } = status;
  if (state === 'done')
    return output.say(`${output.bold(state)}: chord ${clean(id)}: its body was sent, or has failed`);
  const body = bodyId === null ? 'its body is not known' : `body ${bodyTask ?? 'a workflow'} ${bodyId}`;
  output.say(`${output.bold(state)}: chord ${clean(id)}, ${clean(body)}`);
  output.say(
    total === null
      ? `${ended} members have ended; not all are sent`
      : `${ended} of ${total} members have ended`,
  );
  if (state === 'complete')
    output.say(`Whoever completed it sends its body. If that program is dead: umbel tasks chord fire ${id}`);
  const isGood = (member: (typeof members)[number]) => member.counted && member.state === 'SUCCESS';
  const sorted = [...members.filter((member) => !isGood(member)), ...members.filter(isGood)];
  const rows = sorted
    .slice(0, limit)
    .map((member) => [
      ...[
        member.index === null ? '-' : String(member.index),
        clean(member.id),
        member.counted ? 'ended' : 'missing',
      ],
      ...[member.state, clean(member.task ?? '-'), clean(member.reason)],
    ]);
  if (rows.length > 0) await output.table(['place', 'member', '', 'state', 'task', 'why'], rows);
  if (sorted.length > rows.length) output.say(`and ${sorted.length - rows.length} more`);
  if (unknown > 0) output.say(`${unknown} missing members are not known by their ids`);
}
