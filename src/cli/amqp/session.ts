// `umbel amqp`: one command, or a prompt for several on one connection.

import { createInterface } from 'node:readline';
import { brokerOptions } from '../../config/driver-options.ts';
import { UmbelError } from '../../errors.ts';
import { type AmqpChannel, AmqpLink, closeChannel } from '../../stores/amqp/client/link.ts';
import { amqpSettings } from '../../stores/amqp/client/settings.ts';
import { storeNamed } from '../../stores/registry.ts';
import type { Session } from '../common.ts';
import { exitCode, UsageError } from '../usage.ts';
import { amqpCommands, parseAmqp, wordsOf } from './commands.ts';

/** RabbitMQ refused a command. */
class AmqpRefused extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_AMQP_REFUSED', message, options);
  }
}

/** `confirm` asks before something is deleted. @throws UsageError, AmqpRefused, BrokerUnavailable */
export async function amqpSession(
  { app, output }: Session,
  words: readonly string[],
  confirm: (question: string) => Promise<boolean>,
): Promise<void> {
  const { config } = app;
  if (storeNamed(config.broker)?.name !== 'amqp')
    throw new UsageError('umbel amqp needs RabbitMQ: use -b amqp://…, or an App with that broker');
  const first = words.length === 0 ? null : parseAmqp(words); // checked before the connection is opened
  const settings = amqpSettings(config.broker, 'broker', brokerOptions(config));
  await using link = new AmqpLink(settings);
  let channel: AmqpChannel | null = null;
  const opened = async (): Promise<AmqpChannel> => {
    if (channel !== null) return channel;
    const fresh: AmqpChannel = await (await link.ready(10_000)).createConfirmChannel();
    fresh.on('error', () => undefined);
    // A refusal closes the channel, so the next command opens a new one.
    fresh.once('close', () => {
      channel = null;
    });
    channel = fresh;
    return fresh;
  };
  const perform = async ({ command, args }: ReturnType<typeof parseAmqp>): Promise<void> => {
    const question = command.question?.(args);
    if (question !== undefined && !(await confirm(`${question} Are you sure?`))) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    const answer = await refusalsNamed(command.run(await opened(), args));
    output.say(answer.text);
    output.data(answer.data);
  };
  if (first !== null) await perform(first);
  else await prompt(perform, (line) => output.note(line), settings.shown);
  if (channel !== null) await closeChannel(channel);
}

async function prompt(
  perform: (parsed: ReturnType<typeof parseAmqp>) => Promise<void>,
  note: (line: string) => void,
  server: string,
): Promise<void> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) note(`On ${server}. help shows the commands; Ctrl-D ends.`);
  const lines = createInterface({
    input: process.stdin,
    output: terminal ? process.stderr : undefined,
    terminal,
    prompt: 'amqp> ',
    completer: (line: string) => [
      amqpCommands.map(({ name }) => name).filter((name) => name.startsWith(line)),
      line,
    ],
  });
  lines.prompt();
  for await (const line of lines) {
    const text = line.trim();
    if (text === 'exit' || text === 'quit') break;
    try {
      if (text === 'help') for (const { name, args } of amqpCommands) note(`${name} ${args.join(' ')}`);
      else if (text !== '') await perform(parseAmqp(wordsOf(text)));
    } catch (error) {
      // A prompt continues after an error; a script ends at the first error.
      if (!terminal) throw error;
      note(error instanceof Error ? error.message : String(error));
    }
    lines.prompt();
  }
  lines.close();
}

/** Turns the server's refusal into an AmqpRefused, without the library's words around it. */
async function refusalsNamed<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof UmbelError || !(error instanceof Error)) throw error;
    const reply = /with message "(.*)"$/s.exec(error.message)?.[1] ?? error.message;
    throw new AmqpRefused(`RabbitMQ refuses: ${reply}`, { cause: error });
  }
}
