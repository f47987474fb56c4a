// Ends the registration of a history whose recorder does not come back.
import type { App } from '../app/app.ts';
import { StoreError } from '../errors.ts';
import type { HistoryStreamStatus } from '../stores/history-stream.ts';

/** A recorder renews its registration each minute. */
const awayMs = 3 * 60_000;

/**
 * Ends the registration `id`, which a recorder's log and `umbel doctor` name: programs write nothing more for it, and what waits for it is dropped.
 * @throws StoreError: there is none, or its recorder runs, where the broker tells (RabbitMQ does not)
 */
export async function unregister(app: App, id: string): Promise<void> {
  const { transport } = await app.open();
  const stream = await transport.openHistoryStream?.({ limit: app.config.taskHistoryLimit });
  if (stream === undefined) throw new StoreError('this broker keeps no history stream: nobody is registered');
  try {
    const status = await stream.status();
    if (status !== null) mustBeAway(id, status);
    const reader = await stream.register(id);
    try {
      if (!reader.isNew) await app.audit.record('recorder.unregister', id);
      await reader.leave();
    } finally {
      await reader.close();
    }
    if (reader.isNew) throw unknown(id, 'the log of a recorder names its registration');
  } finally {
    await stream.close();
  }
}

/** @throws StoreError */
function mustBeAway(id: string, { readers }: HistoryStreamStatus): void {
  const reader = readers.find((each) => each.id === id);
  if (reader === undefined) {
    const known = readers.map((each) => `${each.id} (seen ${each.seenAt.toISOString()})`);
    throw unknown(id, known.length === 0 ? 'no recorder is registered' : `there are ${known.join(', ')}`);
  }
  const agoMs = Date.now() - reader.seenAt.getTime();
  if (agoMs < awayMs)
    throw new StoreError(
      `the recorder ${id} was seen ${Math.round(agoMs / 1000)} s ago: stop it, and end its registration ${awayMs / 60_000} minutes later`,
    );
}

function unknown(id: string, more: string): StoreError {
  return new StoreError(`no recorder is registered as '${id}'; ${more}`);
}
