// Revocations on RabbitMQ: in a stream, which many programs read without taking messages out.
import { randomUUID } from 'node:crypto';
import { BrokerUnavailable } from '../../errors.ts';
import { maxRevocations, type RevocationStore } from '../fanout.ts';
import { type AmqpChannel, type AmqpConnection, AmqpLink, closeChannel } from './client/link.ts';
import type { AmqpSettings } from './client/settings.ts';

const revocationStream = 'umbel.revocations';

const readyMs = 10_000;
/** How long the stream may be silent before reading it fails, milliseconds. */
const quietMs = 5_000;
const streamArguments = {
  'x-queue-type': 'stream',
  'x-max-age': '1D',
  'x-max-length-bytes': 20_000_000,
  'x-stream-max-segment-size-bytes': 2_000_000,
};

interface RetainedRevocation {
  readonly revocations: readonly string[];
  readonly until: number;
}

export class AmqpRevocations implements RevocationStore {
  readonly #settings: AmqpSettings;

  constructor(settings: AmqpSettings) {
    this.#settings = settings;
  }

  async put(revocations: readonly string[], until: number): Promise<void> {
    if (revocations.length === 0) return;
    const revocation: RetainedRevocation = { revocations, until };
    const write = (connection: AmqpConnection): Promise<void> => send(connection, JSON.stringify(revocation));
    // While several declare the stream for the first time, the server closes channels and connections of some. What is there twice counts once.
    await this.#with(write, 5);
  }

  async read(): Promise<readonly string[]> {
    const known = new Map<string, number>();
    await this.#with(async (connection) => {
      if (!(await exists(connection))) return;
      // A stream does not mark its end, so we write a mark.
      const mark = `"${randomUUID()}"`;
      await send(connection, mark);
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      await this.#drain(channel, mark, known);
      await closeChannel(channel);
    });
    const now = Date.now();
    return [...known].filter(([, until]) => until > now).map(([revocation]) => revocation);
  }

  async #drain(channel: AmqpChannel, mark: string, known: Map<string, number>): Promise<void> {
    await channel.prefetch(500);
    await new Promise<void>((resolve, reject) => {
      const late = (): void => reject(new Error(`${revocationStream}: nothing for ${quietMs} ms`));
      let timer = setTimeout(late, quietMs);
      channel.once('close', () => reject(new Error(`${revocationStream}: the channel was closed`)));
      channel
        .consume(
          revocationStream,
          (message) => {
            if (message === null) return resolve();
            clearTimeout(timer);
            if (message.content.toString() === mark) return resolve();
            timer = setTimeout(late, quietMs);
            remember(message.content, known);
            channel.ack(message);
          },
          { arguments: { 'x-stream-offset': 'first' } },
        )
        .catch(reject);
    });
  }

  /** On a connection of its own; `tries`: how many, one after another, if the server closes them. @throws BrokerUnavailable */
  async #with(work: (connection: AmqpConnection) => Promise<void>, tries = 1): Promise<void> {
    const link = new AmqpLink(this.#settings);
    try {
      return await work(await link.ready(readyMs));
    } catch (error) {
      if (error instanceof BrokerUnavailable) throw error;
      if (tries === 1)
        throw new BrokerUnavailable(`${this.#settings.shown}: ${String(error)}`, { cause: error });
    } finally {
      await link.close();
    }
    await this.#with(work, tries - 1);
  }
}

async function exists(connection: AmqpConnection): Promise<boolean> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    await channel.checkQueue(revocationStream);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 404) return false;
    throw error;
  }
  await closeChannel(channel);
  return true;
}

async function send(connection: AmqpConnection, text: string): Promise<void> {
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  await channel.assertQueue(revocationStream, { durable: true, arguments: streamArguments });
  channel.sendToQueue(revocationStream, Buffer.from(text), {
    persistent: true,
    contentType: 'application/json',
  });
  await channel.waitForConfirms();
  await closeChannel(channel);
}

function remember(content: Buffer, known: Map<string, number>): void {
  const read = parse(content);
  if (read === null) return;
  for (const revocation of read.revocations) {
    const until = Math.max(read.until, known.get(revocation) ?? 0);
    known.delete(revocation);
    known.set(revocation, until);
  }
  for (const oldest of known.keys()) {
    if (known.size <= maxRevocations) break;
    known.delete(oldest);
  }
}

/** Null: bytes of another program. */
function parse(content: Buffer): RetainedRevocation | null {
  try {
    const value: unknown = JSON.parse(content.toString());
    if (typeof value !== 'object' || value === null || !('revocations' in value) || !('until' in value))
      return null;
    const { revocations, until } = value;
    if (!Array.isArray(revocations) || typeof until !== 'number') return null;
    return { revocations: revocations.filter((each) => typeof each === 'string'), until };
  } catch {
    return null;
  }
}
