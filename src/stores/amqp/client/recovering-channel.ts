import { type AmqpChannel, type AmqpConnection, closeChannel } from './link.ts';

export interface OpenChannel {
  readonly channel: AmqpChannel;
  /** Resolves when the channel has closed, for whatever reason. */
  readonly closed: Promise<unknown>;
}

/**
 * Opens a channel, with all that `setUp` declares and consumes on it. A `setUp` that consumes closes the channel when its consumer is cancelled.
 * @throws what the server refuses; the channel is closed then
 */
export async function openChannel(
  connection: AmqpConnection,
  setUp: (channel: AmqpChannel) => Promise<void>,
): Promise<OpenChannel> {
  const channel = await connection.createChannel();
  // Listened for before anything is declared: the server may close the channel in the same packet as its last answer.
  const closed = new Promise<unknown>((resolve) => channel.once('close', resolve));
  const failed = new Promise<never>((_, reject) => channel.on('error', reject));
  failed.catch(() => undefined);
  try {
    await Promise.race([setUp(channel), failed]);
  } catch (error) {
    await closeChannel(channel);
    throw error;
  }
  return { channel, closed };
}

/**
 * A channel that is opened again when it closes and its connection stays: after an error of the channel, or when its queue was deleted.
 * A lost connection ends it; {@link AmqpLink} makes the next connection, and its `onReady` the next channel.
 */
export class RecoveringChannel {
  readonly #open: () => Promise<OpenChannel>;
  readonly #onFailed: (error: unknown) => void;
  #channel: AmqpChannel | null = null;
  #closed = false;

  private constructor(open: () => Promise<OpenChannel>, onFailed: (error: unknown) => void) {
    this.#open = open;
    this.#onFailed = onFailed;
  }

  /**
   * @param open called for each channel
   * @param onFailed the channel could not be opened again; also called when the connection is lost
   * @throws what `open` throws the first time
   */
  static async open(
    open: () => Promise<OpenChannel>,
    onFailed: (error: unknown) => void,
  ): Promise<RecoveringChannel> {
    const recovering = new RecoveringChannel(open, onFailed);
    await recovering.#begin();
    return recovering;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#channel !== null) await closeChannel(this.#channel);
  }

  async #begin(): Promise<void> {
    const { channel, closed } = await this.#open();
    this.#channel = channel;
    void closed.then(() => this.#recover());
    if (this.#closed) await closeChannel(channel);
  }

  async #recover(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#begin();
    } catch (error) {
      if (!this.#closed) this.#onFailed(error);
    }
  }
}
