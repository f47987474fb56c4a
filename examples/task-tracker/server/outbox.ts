// From a row to a task of Umbel. What is to be sent because a row was written is written beside it, in the same transaction, with the
// id that the task will have. A process that dies on any line leaves it here, and the next one sends it with the same id, which the
// broker takes once.
import { randomUUID } from 'node:crypto';
import type { App } from 'umbel';
import type { Database, Writing } from './database.ts';

export interface Sending {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly eta?: Date;
  /** Of the task; default: a new one. */
  readonly id?: string;
}

export async function post(writing: Writing, { task, args, eta, id = randomUUID() }: Sending): Promise<void> {
  await writing
    .insertInto('outbox')
    .values({
      id,
      task,
      args: JSON.stringify(args),
      eta: eta?.toISOString() ?? null,
      created_at: new Date().toISOString(),
    })
    .execute();
}

/** Sends what is in the outbox; resolves with how many that were. Any number of processes may do so at once. */
export async function relay(database: Database, app: App): Promise<number> {
  for (let sent = 0; ; ) {
    const rows = await database.selectFrom('outbox').selectAll().orderBy('created_at').limit(100).execute();
    if (rows.length === 0) return sent;
    for (const { id, task, args, eta } of rows) {
      // In this order: a row that is deleted first would be lost with its process.
      await app.send(task, JSON.parse(args), { taskId: id, ...(eta !== null && { eta: new Date(eta) }) });
      await database.deleteFrom('outbox').where('id', '=', id).execute();
      sent++;
    }
  }
}

/** Relays in the background after each write, once at a time. What it cannot send now, the schedule `outbox` sends later. */
export class Relay {
  readonly #relay: () => Promise<number>;
  #running: Promise<unknown> = Promise.resolve();
  #waiting = false;

  constructor(database: Database, app: App) {
    this.#relay = () => relay(database, app);
  }

  /** Does not throw. */
  nudge(): void {
    if (this.#waiting) return; // the one that will start sees this write, too
    this.#waiting = true;
    this.#running = this.#running
      .then(() => {
        this.#waiting = false;
        return this.#relay();
      })
      .catch((error: Error) => console.error(`outbox: ${error.message}; it will be tried again`));
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    await this.#running;
  }
}
