// From a row to a task of Umbel. What is to be sent because a row was written is written beside it, in the same transaction, with the
// ids that its tasks will have. A process that dies on any line leaves it here, and the next one sends it with the same ids, which the
// broker takes once.
import { every, type Signature } from 'umbel';
import { database, type Writing } from './database.ts';
import { now } from './schema.ts';
import { app } from './umbel.ts';

/** Resolves with the id that its result will have. */
export async function post(writing: Writing, call: Signature): Promise<string> {
  const frozen = call.freeze();
  const { id } = frozen.result;
  const row = { id, call: JSON.stringify(frozen), created_at: now() };
  await writing.insertInto('outbox').values(row).execute();
  return id;
}

/** Sends what is in the outbox; resolves with how many that were. Any number of processes may do so at once. */
export async function relay(): Promise<number> {
  for (let sent = 0; ; ) {
    const rows = await database.selectFrom('outbox').selectAll().orderBy('created_at').limit(100).execute();
    if (rows.length === 0) return sent;
    for (const { id, call } of rows) {
      // In this order: a row that is deleted first would be lost with its process.
      await app.signatureFrom(JSON.parse(call)).delay();
      await database.deleteFrom('outbox').where('id', '=', id).execute();
      sent++;
    }
  }
}

let running: Promise<unknown> = Promise.resolve();
let isWaiting = false;

/** Relays in the background, once at a time. What it cannot send now, the schedule sends later. Does not throw. */
export function nudge(): void {
  if (isWaiting) return; // the one that will start sees this write, too
  isWaiting = true;
  running = running
    .then(() => {
      isWaiting = false;
      return relay();
    })
    .catch((error: Error) => console.error(`outbox: ${error.message}; it will be tried again`));
}

/** Resolves when what was begun by {@link nudge} has ended. */
export async function settled(): Promise<void> {
  await running;
}

const relayOutbox = app.task('tracker.relay_outbox', { maxRetries: 0 }, relay); // the next one comes soon
app.schedule('outbox', every('10s'), relayOutbox, { missed: 'skip', overlap: 'skip' });
