// The commands of `umbel amqp`, with Celery's names and positional arguments.

import { suggest } from '../../lib/suggest.ts';
import type { AmqpChannel } from '../../stores/amqp/client/link.ts';
import { UsageError } from '../usage.ts';

interface CommandReply {
  /** For people. */
  readonly text: string;
  /** For programs. */
  readonly data: unknown;
}

interface AmqpCommand {
  readonly name: string;
  /** Names of the arguments; `name=value` has a default. */
  readonly args: readonly string[];
  readonly help: string;
  /** Question that is asked before a command that deletes something. */
  question?(args: readonly string[]): string;
  run(channel: AmqpChannel, args: readonly string[]): Promise<CommandReply>;
}

const ok: CommandReply = { text: 'ok.', data: { ok: true } };

export const amqpCommands: readonly AmqpCommand[] = [
  {
    name: 'exchange.declare',
    args: ['exchange', 'type', 'passive=false', 'durable=false', 'auto_delete=false'],
    help: 'Declare an exchange: direct, topic, fanout or headers.',
    async run(channel, [exchange = '', type = '', passive, durable, autoDelete]) {
      if (flag(passive)) await channel.checkExchange(exchange);
      else
        await channel.assertExchange(exchange, type, {
          durable: flag(durable),
          autoDelete: flag(autoDelete),
        });
      return ok;
    },
  },
  {
    name: 'exchange.delete',
    args: ['exchange', 'if_unused=false'],
    help: 'Delete an exchange.',
    question: ([exchange]) => `This deletes the exchange '${exchange}' with its bindings.`,
    async run(channel, [exchange = '', ifUnused]) {
      await channel.deleteExchange(exchange, { ifUnused: flag(ifUnused) });
      return ok;
    },
  },
  {
    name: 'queue.declare',
    args: ['queue', 'passive=false', 'durable=false', 'auto_delete=false'],
    help: 'Declare a queue; passive: only look.',
    async run(channel, [queue = '', passive, durable, autoDelete]) {
      const reply = flag(passive)
        ? await channel.checkQueue(queue)
        : await channel.assertQueue(queue, { durable: flag(durable), autoDelete: flag(autoDelete) });
      const { queue: name, messageCount: messages, consumerCount: consumers } = reply;
      return {
        text: `queue:${name} messages:${messages} consumers:${consumers}\nok.`,
        data: { queue: name, messages, consumers },
      };
    },
  },
  {
    name: 'queue.bind',
    args: ['queue', 'exchange', 'routing_key'],
    help: 'Bind a queue to an exchange.',
    async run(channel, [queue = '', exchange = '', key = '']) {
      await channel.bindQueue(queue, exchange, key);
      return ok;
    },
  },
  {
    name: 'queue.delete',
    args: ['queue', 'if_unused=false', 'if_empty=false'],
    help: 'Delete a queue with its messages.',
    question: ([queue]) => `This deletes the queue '${queue}' with all of its messages.`,
    async run(channel, [queue = '', ifUnused, ifEmpty]) {
      const reply = await channel.deleteQueue(queue, { ifUnused: flag(ifUnused), ifEmpty: flag(ifEmpty) });
      return deleted(reply.messageCount);
    },
  },
  {
    name: 'queue.purge',
    args: ['queue'],
    help: 'Delete the messages of a queue.',
    question: ([queue]) => `This deletes all messages that wait in '${queue}'.`,
    async run(channel, [queue = '']) {
      return deleted((await channel.purgeQueue(queue)).messageCount);
    },
  },
  {
    name: 'basic.publish',
    args: ['message', 'exchange', 'routing_key', 'mandatory=false'],
    help: 'Publish a text as a message.',
    async run(channel, [message = '', exchange = '', key = '', mandatory]) {
      channel.publish(exchange, key, Buffer.from(message), { mandatory: flag(mandatory) });
      if ('waitForConfirms' in channel && typeof channel.waitForConfirms === 'function')
        await channel.waitForConfirms();
      return ok;
    },
  },
  {
    name: 'basic.get',
    args: ['queue', 'no_ack=false'],
    help: 'Show the next message. Without no_ack it goes back when the connection ends, or is acknowledged with basic.ack.',
    async run(channel, [queue = '', noAck]) {
      const message = await channel.get(queue, { noAck: flag(noAck) });
      if (message === false)
        return { text: 'No messages in queue. basic.publish something.\nok.', data: null };
      const data = {
        body: message.content.toString('utf8'),
        properties: Object.fromEntries(
          Object.entries(message.properties).filter(([, value]) => value !== undefined),
        ),
        delivery_info: message.fields,
      };
      return { text: `${JSON.stringify(data, null, 2)}\nok.`, data };
    },
  },
  {
    name: 'basic.ack',
    args: ['delivery_tag'],
    help: 'Acknowledge a message that basic.get showed on this connection.',
    async run(channel, [tag = '']) {
      const deliveryTag = Number(tag);
      if (!Number.isSafeInteger(deliveryTag) || deliveryTag < 1)
        throw new UsageError(`'${tag}' is not a delivery tag (a whole number from 1)`);
      // The library requires a message object, of which the server needs only the tag.
      channel.ack({ fields: { deliveryTag } } as never);
      return ok;
    },
  },
];

/** The command of this name, with its arguments complete. @throws UsageError */
export function parseAmqp(words: readonly string[]): { command: AmqpCommand; args: readonly string[] } {
  const [name = '', ...given] = words;
  const command = amqpCommands.find((each) => each.name === name);
  if (command === undefined) {
    const hint = suggest(
      name,
      amqpCommands.map((each) => each.name),
    );
    throw new UsageError(
      `there is no '${name}' in umbel amqp; ${hint === undefined ? 'umbel amqp --list shows all' : `did you mean '${hint}'?`}`,
    );
  }
  const { args } = command;
  const least = args.filter((arg) => !arg.includes('=')).length;
  if (given.length < least || given.length > args.length)
    throw new UsageError(`'${name}' takes ${args.join(' ')}; ${given.length} given`);
  return { command, args: args.map((arg, at) => given[at] ?? arg.slice(arg.indexOf('=') + 1)) };
}

/** The words of a line; quotes keep spaces together. @throws UsageError */
export function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  for (const [, double, single, bare] of line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']+)/g))
    words.push(double?.replace(/\\(.)/g, '$1') ?? single ?? bare ?? '');
  if ((line.replace(/\\./g, '').match(/"/g)?.length ?? 0) % 2 === 1)
    throw new UsageError('a quotation mark is missing');
  return words;
}

function flag(text: string | undefined): boolean {
  const value = (text ?? 'false').toLowerCase();
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(value)) return true;
  if (['false', 'f', 'no', 'n', 'off', '0', ''].includes(value)) return false;
  throw new UsageError(`'${text}' is neither true nor false`);
}

function deleted(messages: number): CommandReply {
  return { text: `${messages} messages deleted.\nok.`, data: { deleted: messages } };
}
