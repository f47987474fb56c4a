// Whether this version speaks AMQP.
import { openBackend } from '../../../src/results/open.ts';
import { openTransport } from '../../../src/transports/open.ts';

/** The error of a driver that is not there yet; undefined when it is, whatever else fails. */
async function notInThisVersion(
  open: () => Promise<AsyncDisposable | { close(): Promise<void> }>,
): Promise<string | undefined> {
  try {
    const opened = await open();
    await ('close' in opened ? opened.close() : opened[Symbol.asyncDispose]());
    return undefined;
  } catch (error) {
    return error instanceof Error && /not in this version/.test(error.message) ? error.message : undefined;
  }
}

/** Why there are no tests with RabbitMQ; undefined: there are. */
export const noDriver: string | undefined = await notInThisVersion(() => openTransport('amqp://127.0.0.1:1'));

/** The same of results by rpc. */
export const noRpc: string | undefined =
  noDriver ?? (await notInThisVersion(() => openBackend('rpc://', { expiresMs: null })));
