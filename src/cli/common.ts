// What every command understands, and what every command needs: the application and the screen.

import type { Command } from 'commander';
import { App } from '../app/app.ts';
import { LoadError } from '../app/import-module.ts';
import { loadApp } from '../app/load-app.ts';
import type { Priority } from '../config/priority.ts';
import { redacted } from '../lib/redact.ts';
import { storeNamed } from '../stores/registry.ts';
import { createOutput, type Output } from './output.ts';
import { UsageError } from './usage.ts';

export interface CommonOptions {
  readonly app?: string;
  readonly broker?: string;
  readonly resultBackend?: string;
  readonly workdir?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

/** Declares them on a command; all commands have them, so that they may stand before or after its name. */
export function withCommonOptions(command: Command): void {
  command
    .option(
      '-A, --app <module>',
      'The module that exports your App: ./app.ts, ./app, ./app.ts:name (or UMBEL_APP).',
    )
    .option('-b, --broker <url>', 'The broker, for an App that names none, or without -A.')
    .option('--result-backend <url>', 'The result backend, likewise.')
    .option('--workdir <folder>', 'Change to this folder first.')
    .option('-j, --json', 'Print JSON for programs.')
    .option('-C, --no-color', 'Print without colours (also NO_COLOR=1).')
    .option('-q, --quiet', 'Say less: no banner.')
    .option('--debug', 'Show the stack of an error.');
}

/**
 * The options of a command with those given before its name. (commander's `optsWithGlobals` lets the default of an
 * outer command win over what was said after an inner one.)
 */
export function optionsOf<Options extends CommonOptions>(command: Command): Options {
  const chain: Command[] = [];
  for (let current: Command | null = command; current; current = current.parent) chain.unshift(current);
  const merged: Record<string, unknown> = {};
  for (const link of chain) {
    for (const [name, value] of Object.entries(link.opts())) {
      if (!(name in merged) || link.getOptionValueSource(name) !== 'default') merged[name] = value;
    }
  }
  return merged as Options; // as declared beside the command's options
}

/** What a command works with. */
export interface Session {
  readonly app: App;
  readonly output: Output;
  /** Whether the App is the user's; else it knows a broker and no tasks. */
  readonly loaded: boolean;
}

/** Opens the application, does the work, and closes it whatever happens. */
export async function withApp(
  options: CommonOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const output = createOutput(options);
  const spec = appSpec(options);
  const app = spec === undefined ? bareApp(options) : await loadWith(spec, options);
  using _telling = options.quiet ? null : reportWaiting(app, output);
  try {
    await work({ app, output, loaded: spec !== undefined });
  } finally {
    await app.close();
  }
}

/** How often, and how many times in a row, a command finds that it waits before it says so: after a second. */
const pollIntervalMs = 250;
const looksInSilence = 4;

/** A broker that is away is waited for, some seconds: not without a word. */
function reportWaiting(app: App, output: Output): Disposable {
  let looks = 0;
  // Looks, and not one look after a second: by then the wait may just have begun, or the machine was busy with something else.
  const timer = setInterval(() => {
    const { state, reason = null } = app.stores?.transport.status ?? {};
    looks = app.opening || (state !== undefined && state !== 'connected') ? looks + 1 : 0;
    if (looks < looksInSilence) return;
    clearInterval(timer);
    const why = reason === null ? '' : ` (${reason})`;
    output.note(`waiting for the broker ${redacted(app.config.broker)}${why} …`);
  }, pollIntervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** For commands that cannot do without the user's tasks. */
export function requireApp(options: CommonOptions): void {
  if (options.app === undefined && !process.env.UMBEL_APP) {
    throw new UsageError(
      'this command needs your application: -A ./app.ts (the module that exports your App)',
    );
  }
}

/** For what other processes must see. */
export function requireSharedStore({ config }: App): void {
  if ([config.broker, config.beatStore].some((url) => url !== null && storeNamed(url)?.ephemeral))
    throw new UsageError(
      'this needs a store that several processes share, and memory:// belongs to one process; use sqlite:// or redis://',
    );
}

/** The module that exports the application, as it was named. */
export function appSpec({ app }: CommonOptions): string | undefined {
  return app ?? (process.env.UMBEL_APP || undefined);
}

/** `priority` is of the one call that it is made for: what is said of it is said for all. */
function bareApp(options: CommonOptions & { readonly priority?: Priority }): App {
  return new App('umbel', {
    ...(options.broker === undefined ? {} : { broker: options.broker }),
    ...(options.resultBackend === undefined ? {} : { backend: options.resultBackend }),
    ...(typeof options.priority === 'string' && { taskDefaultPriority: 'normal' }),
  });
}

// An App reads its broker when it is made, while its module loads; hence the environment.
async function loadWith(spec: string, options: CommonOptions): Promise<App> {
  if (options.broker !== undefined) process.env.UMBEL_BROKER_URL = options.broker;
  if (options.resultBackend !== undefined) process.env.UMBEL_RESULT_BACKEND = options.resultBackend;
  const app = await loadApp(spec);
  if (options.broker !== undefined && app.config.broker !== options.broker) {
    throw new LoadError(
      `'${spec}' names its own broker, so -b has no effect; leave out -b, or let the App read UMBEL_BROKER_URL`,
    );
  }
  if (options.resultBackend !== undefined && app.config.backend !== options.resultBackend) {
    throw new LoadError(
      `'${spec}' names its own result backend, so --result-backend has no effect; leave one of them out`,
    );
  }
  return app;
}
