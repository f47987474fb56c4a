// The options that every command has, and the session that most commands need: the application and the screen.

import type { Command } from 'commander';
import { App } from '../app/app.ts';
import { LoadError } from '../app/import-module.ts';
import { loadApp } from '../app/load-app.ts';
import type { Priority } from '../config/priority.ts';
import { redacted } from '../lib/redact.ts';
import { storeNamed } from '../stores/registry.ts';
import { findApp, whatWasLookedFor } from './find-app.ts';
import { createOutput, type Output } from './output.ts';
import { isOfDev, tellDev } from './parent.ts';
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

/** Declares the common options on a command. All commands have them, so that they may stand before or after the command's name. */
export function withCommonOptions(command: Command): void {
  command
    .option(
      '-A, --app <module>',
      'The module that exports your App: ./app.ts, ./app, ./app.ts:name (or UMBEL_APP); default: ./app.ts or ./src/app.ts.',
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
 * The options of a command with the options before its name. (With commander's `optsWithGlobals`, the default of an outer command
 * would override an option after an inner command.)
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

/** The application and the screen of a command. */
export interface Session {
  readonly app: App;
  readonly output: Output;
  /** Whether the App is the user's. Otherwise it has a broker, and no tasks. */
  readonly loaded: boolean;
}

/** Opens the application, does the work, and closes the application in any case. */
export async function withApp(
  options: CommonOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const output = createOutput(options);
  const spec = appSpec(options);
  const app = spec === undefined ? bareApp(options) : await loadWith(spec, options).catch(explained);
  if (isOfDev) {
    requireSharedStore(app);
    tellDev({ kind: 'loaded', app: app.name, broker: redacted(app.config.broker), tasks: app.tasks.size });
  }
  using _telling = options.quiet ? null : reportWaiting(app, output);
  const actor = 'reason' in options && typeof options.reason === 'string' ? { reason: options.reason } : {};
  try {
    await app.audit.as(actor, () => work({ app, output, loaded: spec !== undefined }));
  } finally {
    await app.close();
  }

  function explained(error: unknown): never {
    if (!(error instanceof LoadError) || named(options) !== undefined) throw error;
    throw new LoadError(
      `${error.message} (it was found here; -A names another module, and -b a broker alone)`,
      {
        cause: error.cause,
      },
    );
  }
}

/** A command that waits for the broker reports it after `looksInSilence` checks, which are this far apart (milliseconds): after a second. */
const pollIntervalMs = 250;
const looksInSilence = 4;

/** Prints a message while a command waits for a broker that is away. */
function reportWaiting(app: App, output: Output): Disposable {
  let looks = 0;
  // Several checks instead of one after a second: at that time the wait may just have begun, or the machine was busy.
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

/** The options with the application, named or found. For commands that need its tasks. @throws UsageError if there is none */
export function requireApp<Options extends CommonOptions>(
  options: Options,
): Options & { readonly app: string } {
  const app = named(options) ?? findApp();
  if (app !== undefined) return { ...options, app };
  throw new UsageError(
    `this command needs your application: -A ./app.ts (the module that exports your App); ${whatWasLookedFor()}`,
  );
}

/** @throws UsageError if the store belongs to this process alone. For commands whose effect other processes must see. */
export function requireSharedStore({ config }: App): void {
  if ([config.broker, config.beatStore].some((url) => url !== null && storeNamed(url)?.ephemeral))
    throw new UsageError(
      'this needs a store that several processes share, and memory:// belongs to one process; use sqlite:// or redis://',
    );
}

/** The module that exports the application, named or found. With a broker of -b an application is not looked for: that may be any broker. */
export function appSpec(options: CommonOptions): string | undefined {
  return named(options) ?? (options.broker === undefined ? findApp() : undefined);
}

function named({ app }: CommonOptions): string | undefined {
  return app ?? (process.env.UMBEL_APP || undefined);
}

/** An App without the user's module. It serves a single call, so the priority of that call becomes the default. */
function bareApp(options: CommonOptions & { readonly priority?: Priority }): App {
  return new App('umbel', {
    ...(options.broker === undefined ? {} : { broker: options.broker }),
    ...(options.resultBackend === undefined ? {} : { backend: options.resultBackend }),
    ...(typeof options.priority === 'string' && { taskDefaultPriority: 'normal' }),
  });
}

// An App reads its broker when it is created, while its module loads; hence the environment.
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
