// `umbel queues pause|resume` and `umbel tasks pause|resume`: the same for a queue and for the tasks of a name.
import { Command } from 'commander';
import type { Pausable } from '../control/control.ts';
import { isRecord } from '../lib/narrow.ts';
import type { Pause } from '../stores/pauses.ts';
import { optionsOf, withApp } from './common.ts';
import { askingOf, type RemoteOptions, withRemoteOptions } from './remote.ts';
import { clean } from './terminal/clean.ts';

interface PauseOptions extends RemoteOptions {
  readonly reason?: string;
}

export function pauseCommand(kind: Pause['kind']): Command {
  const command = new Command('pause')
    .description(
      kind === 'queue'
        ? 'Pause a queue: no worker takes its messages until it is resumed, also after restarts.'
        : 'Pause all tasks of a name: none begins until they are resumed, also after restarts.',
    )
    .argument('<name>', 'Its name.')
    .option('--reason <text>', 'Why, for others, and for the audit log.');
  return withRemoteOptions(command).action((name: string, _: unknown, self: Command) =>
    change('pause', whatOf(kind, name), optionsOf<PauseOptions>(self)),
  );
}

export function resumeCommand(kind: Pause['kind']): Command {
  const command = new Command('resume')
    .description(kind === 'queue' ? 'Resume a paused queue.' : 'Resume paused tasks.')
    .argument('<name>', 'Its name.')
    .option('--reason <text>', 'Why, for the audit log.');
  return withRemoteOptions(command).action((name: string, _: unknown, self: Command) =>
    change('resume', whatOf(kind, name), optionsOf<PauseOptions>(self)),
  );
}

/** A pause for people. */
export function pauseText({ kind, name, since, by, reason }: Pause): string {
  return clean(`${kind} ${name} since ${since.toISOString()} by ${by}${reason === '' ? '' : `: ${reason}`}`);
}

function whatOf(kind: Pause['kind'], name: string): Pausable {
  return kind === 'queue' ? { queue: name } : { task: name };
}

async function change(
  how: 'pause' | 'resume',
  what: Pausable,
  { reason, ...options }: PauseOptions,
): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { Control } = await import('../control/control.ts');
    await using control = new Control(app);
    const asking = askingOf(options);
    const { replies, silent } =
      how === 'pause'
        ? await control.pause(what, { ...asking, ...(reason !== undefined && { reason }) })
        : await control.resume(what, asking);
    const nodes = [...replies.keys()].sort();
    const unsupported = nodes.filter(
      (node) => isRecord(replies.get(node)) && 'error' in Object(replies.get(node)),
    );
    const confirmed = nodes.filter((node) => !unsupported.includes(node));
    const paused = await app.queues.paused();
    output.data({ paused, confirmed, unsupported, silent });
    const name = 'queue' in what ? `queue ${what.queue}` : `task ${what.task}`;
    output.say(
      `${how === 'pause' ? 'Paused' : 'Resumed'}: ${clean(name)} (workers that confirmed it: ${confirmed.length})`,
    );
    if (silent.length > 0)
      output.note(`No answer from ${silent.map(clean).join(', ')}: they read it within ten seconds.`);
    if (unsupported.length > 0 && how === 'pause')
      output.note(
        `${unsupported.map(clean).join(', ')}: not a worker of Umbel, or an older version: still takes messages. ${'queue' in what ? `umbel control cancel_consumer ${clean(what.queue)} -d ${unsupported.map(clean).join(',')}` : ''}`,
      );
  });
}
