// A thread with a Redis connection of its own, for renewing leases: user code that blocks the event loop must not delay that.
import { Worker } from 'node:worker_threads';
import type { RedisConnection } from './connection.ts';
import { clientOptions } from './link.ts';
import type { RedisScript } from './script.ts';
import type { SideThreadStart, ToSideThread } from './side-client.ts';

interface SideThreadParts<Data, Output> {
  /** The thread connects to the server to which this one is connected. */
  readonly connection: RedisConnection;
  /** The script that `run(...args)` of the program calls. */
  readonly script: RedisScript;
  /** Its first key, by which a cluster finds the server. */
  readonly key: string;
  /** The text of a program that has a `SideClient`. */
  readonly program: string;
  readonly answerMs: number;
  /** The program's `data`. */
  readonly data: Data;
  readonly onMessage: (message: Output) => void;
}

/** `Data`: what the program starts with; `Input`: messages to it; `Output`: messages from it. */
export class SideThread<Data, Input, Output> {
  readonly #thread: Worker;
  readonly #unlisten: () => void;

  constructor(parts: SideThreadParts<Data, Output>) {
    const { connection, script, key, program, answerMs, data, onMessage } = parts;
    const { settings } = connection;
    const first = connection.endpoint ?? settings.endpoints[0];
    if (first === undefined) throw new TypeError('no server is named');
    let endpoint = first;
    const options = clientOptions(settings, endpoint);
    this.#thread = new Worker(program, {
      eval: true,
      workerData: {
        data,
        options,
        away: !connection.state.connected,
        script: script.source,
        sha: script.sha,
        key,
        answerMs,
        connectTimeoutMs: settings.connectTimeoutMs,
      } satisfies SideThreadStart<Data>,
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 48, stackSizeMb: 2 },
    });
    this.#thread.unref();
    this.#thread.on('message', onMessage);
    // After a failover there is another server.
    this.#unlisten = connection.onState(({ connected }) => {
      endpoint = connection.endpoint ?? endpoint;
      this.#post({ options: connected ? clientOptions(settings, endpoint) : null });
    });
  }

  send(message: Input): void {
    this.#post({ message });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    await this.#thread.terminate();
  }

  #post(message: ToSideThread<Input>): void {
    this.#thread.postMessage(message);
  }
}
