// Options of Celery's that have no effect here. Each is accepted or refused with a message that names the alternative. (An option with an
// effect is an option of its command, even if its name differs.)
import { type Command, Option } from 'commander';
import { redacted } from '../lib/redact.ts';
import { UsageError } from './usage.ts';

/** `idle`: the command prints a message and continues. `refused`: the command fails, since it would do something else without the option. */
interface Foreign {
  readonly flags: string;
  readonly fate: 'idle' | 'refused';
  readonly why: string;
}

const idle = (flags: string, why: string): Foreign => ({ flags, fate: 'idle', why });
const refused = (flags: string, why: string): Foreign => ({ flags, fate: 'refused', why });

const asUser = 'start it as that user: User= of systemd, USER of a Dockerfile, or setpriv';
const ofProcess: readonly Foreign[] = [
  refused('--uid <user>', asUser),
  refused('--gid <group>', asUser),
  refused('--umask <umask>', 'set it before the start: umask 027; umbel …'),
  refused(
    '--executable <program>',
    'start it with that program: /opt/node/bin/node node_modules/.bin/umbel …',
  ),
];
const kept = 'schedules are kept in the store (beatStore)';

/** The options of each command. */
export const foreignOptions: Readonly<Record<string, readonly Foreign[]>> = {
  worker: [
    idle('-O <profile>', 'a worker takes only what it can run, which is what -O fair is for'),
    idle(
      '--prefetch-multiplier <number>',
      "it is the App's setting workerPrefetchMultiplier; 1 unless that says otherwise",
    ),
    idle('--disable-prefetch', 'a worker takes only what it can run'),
    idle('-S, --statedb <file>', "revocations are kept in the broker's store, for all workers"),
    idle('--without-gossip', 'workers only exchange heartbeats and logical clocks'),
    idle('--without-mingle', 'a worker does not wait for the others when it starts'),
    idle('--without-heartbeat', 'other workers know by it that this worker lives'),
    idle('--heartbeat-interval <seconds>', 'it is two seconds, as in Celery'),
    idle('-s, --schedule <file>', kept),
    idle('--schedule-filename <file>', kept),
    idle('--scheduler <class>', kept),
    refused(
      '-I, --include <modules>',
      "name them in the App's setting include, for the processes of a pool as well",
    ),
    ...ofProcess,
  ],
  beat: [
    idle('-s, --schedule <file>', kept),
    idle('-S, --scheduler <class>', kept),
    idle('--max-interval <seconds>', 'a change of a schedule is seen within two seconds'),
    ...ofProcess,
  ],
  events: [
    idle('-l, --loglevel <level>', 'it writes no log'),
    refused('--detach', 'start it in the background: nohup umbel … events --camera ./snapshots.ts &'),
    refused('-f, --logfile <file>', 'send its output there: umbel … events --dump > events.log'),
    refused('--pidfile <file>', 'start it by a service manager, or write $! there'),
    ...ofProcess,
  ],
  flower: [
    idle('--persistent [boolean]', 'the history is always kept (--db FILE says where)'),
    idle('--state-save-interval <ms>', 'the history is written all the time'),
    idle('--auto-refresh [boolean]', 'pages are told what changes'),
    idle('--natural-time [boolean]', 'each page lets its reader choose'),
    idle('--tasks-columns <names>', 'each page lets its reader choose'),
    idle('--cookie-secret <text>', 'sessions are kept in memory'),
    idle('--xheaders [boolean]', 'nothing depends on the address of a client but the log'),
    refused('--unix-socket <path>', 'let it listen on 127.0.0.1, and the proxy in front connect there'),
    refused(
      '--conf <file>',
      'its options are FLOWER_… in the environment or .env, or flower: {} in umbel.config.ts',
    ),
    refused(
      '--format-task <function>',
      'what is written of a task is changed by umbel recorder --redact-hook',
    ),
  ],
  result: [idle('-t, --task <name>', 'all tasks of an App have one result backend')],
  migrate: [
    idle('-a, --ack-messages', 'it is always so: messages that were moved are deleted from the source'),
  ],
  shell: [
    idle('-I, --ipython', "the prompt is Node's"),
    idle('-B, --bpython', "the prompt is Node's"),
    idle('--python', "the prompt is Node's"),
    idle('--eventlet', "the prompt is Node's"),
    idle('--gevent', "the prompt is Node's"),
  ],
  'upgrade settings': [
    idle('--django', "Django's names are read, too"),
    idle('--compat', 'names from before Celery 4 are read, too'),
    idle('--no-backup', 'the file that is read is not changed'),
  ],
  '': [
    idle('--skip-checks', "there are no checks of Django's"),
    refused(
      '--config <module>',
      "settings are the App's: new App('shop', settings), or umbel.config.ts for options of commands",
    ),
    refused('--loader <class>', 'an App is a module: -A ./app.ts'),
  ],
};

/** Declares them on a command of this name (`upgrade settings`; the program itself is ''). Help does not show them. */
export function withForeignOptions(command: Command, name: string): void {
  for (const { flags } of foreignOf(name)) command.addOption(new Option(flags).hideHelp());
}

/**
 * Prints a message for each given option that has no effect.
 * @throws UsageError for an option that is `refused`
 */
export function reportForeignOptions(command: Command, name: string): void {
  for (let each: Command | null = command; each; each = each.parent)
    for (const { flags, fate, why } of foreignOf(name)) {
      const option = each.options.find((known) => known.flags === flags);
      if (option === undefined || each.getOptionValueSource(option.attributeName()) !== 'cli') continue;
      const said = option.long ?? option.short ?? flags;
      if (fate === 'refused') throw new UsageError(`there is no ${said} here; ${why}`);
      process.stderr.write(redacted(`umbel: ${said} has no effect: ${why}\n`));
    }
}

function foreignOf(name: string): readonly Foreign[] {
  const ofAll = foreignOptions[''] ?? [];
  return name === '' ? ofAll : [...(foreignOptions[name] ?? []), ...ofAll];
}
