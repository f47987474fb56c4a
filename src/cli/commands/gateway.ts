import { Command } from 'commander';
import { nodeName } from '../../worker/node-name.ts';
import { onShutdownSignal } from '../../worker/shutdown.ts';
import { type CommonOptions, optionsOf, requireApp, withApp } from '../common.ts';
import { usualPort } from '../free-port.ts';
import { createLogger, type LoggingChoices, logFileOf, logFormat, withLoggingOptions } from '../logging.ts';
import { endWithParent, tellDev } from '../parent.ts';
import { stoppingInOrder } from '../stop-signals.ts';
import { exitCode, UsageError } from '../usage.ts';
import { port } from '../values.ts';

interface GatewayCommandOptions extends CommonOptions, LoggingChoices {
  readonly host?: string;
  readonly port?: number;
  readonly apiKey?: readonly string[];
  readonly allowedHost?: readonly string[];
  readonly cors?: readonly string[];
  readonly deadLetters?: boolean;
}

/** `umbel gateway`: serves the HTTP API. */
export function gatewayCommand(): Command {
  const command = new Command('gateway')
    .description('Serve the HTTP API.')
    .option('--host <address>', 'Listen on this address; default 127.0.0.1. Any other needs an API key.')
    .option('--port <number>', 'Listen on this port (or PORT); default 8000, 0: any free one.', port)
    .option(
      '--api-key <key>',
      'Accept this key; may be repeated (or UMBEL_API_KEY, separated by commas).',
      collect,
    )
    .option('--allowed-host <name>', 'A further host name of the gateway; may be repeated.', collect)
    .option('--cors <origin>', 'An origin whose pages may call the gateway; may be repeated.', collect)
    .option('--dead-letters', 'Also serve the dead letters: read, replay and delete.');
  withLoggingOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts gateway
  UMBEL_API_KEY=secret umbel -A ./app.ts gateway --host 0.0.0.0 --port 80`,
    )
    .action((_: unknown, command: Command) => serve(optionsOf<GatewayCommandOptions>(command)));
}

async function serve(given: GatewayCommandOptions): Promise<void> {
  const options = requireApp(given);
  endWithParent();
  await withApp({ ...options, quiet: true }, async ({ app }) => {
    const { GatewayServer } = await import('../../gateway/gateway.ts');
    const logger = await createLogger({
      ...options,
      ...(await logFileOf(options, nodeName('gateway@%h'))),
      level: options.loglevel,
      format: logFormat(options.logFormat, options.logfile),
    });
    const server = new GatewayServer(app, {
      port: options.port ?? portFromEnvironment() ?? (await usualPort(8000)),
      apiKeys: options.apiKey ?? keysFromEnvironment(),
      logger,
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.allowedHost === undefined ? {} : { allowedHosts: options.allowedHost }),
      ...(options.cors === undefined ? {} : { cors: options.cors }),
      deadLetters: options.deadLetters ?? false,
    });
    await server.start();
    using _ordered = stoppingInOrder();
    const stopped = untilSignal();
    logger.info(
      { url: server.url },
      `gateway of '${app.name}' listens on ${server.url}, API docs: ${server.url}/docs`,
    );
    tellDev({ kind: 'ready', url: server.url });
    await stopped;
    await server.stop();
  });
}

/** Resolves at SIGTERM or Ctrl-C; a second one ends the process at once. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    onShutdownSignal((kind) => (kind === 'warm' ? resolve() : process.exit(exitCode.failed)));
  });
}

function collect(key: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, key];
}

function keysFromEnvironment(): readonly string[] {
  return (process.env.UMBEL_API_KEY ?? '').split(',').filter((key) => key !== '');
}

function portFromEnvironment(): number | undefined {
  const text = process.env.PORT;
  if (text === undefined || text === '') return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new UsageError(`PORT=${text} is not a port; give a number from 0 (any free port) to 65535`);
}
