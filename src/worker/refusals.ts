// What becomes of messages that may not run: settled as `ending.ts` says, and told to who listens.
import type { App } from '../app/app.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Delivery } from '../transports/transport.ts';
import type { Refused } from './admit.ts';
import { type Ending, endingOfFault, endingOfRefused, endingOfUndecodable } from './ending.ts';
import { ignoresResult, type Records, type Subject } from './records.ts';
import type { Settler } from './settle.ts';
import type { TaskLog } from './task-log.ts';

export interface RefusalParts {
  readonly app: App;
  readonly settler: Settler;
  readonly records: Records;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: TaskLog;
}

export class Refusals {
  readonly #parts: RefusalParts;

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  async refuse(delivery: Delivery, refused: Refused): Promise<void> {
    const { settler, log, clock } = this.#parts;
    const ending = this.#endingOf(delivery, refused);
    const settled = await settler.settle(delivery, ending, settler.prepare(ending));
    if (settled === 'settled') {
      log.refused(delivery, refused, clock.now());
      await this.#signal(delivery, refused);
    } else if (refused.kind !== 'undecodable') {
      log.unsettled(refused.message, settled);
    }
  }

  /**
   * The worker itself failed on this message: to the dead letters, since it would do so again; without a record of it, if
   * that is what cannot be written. If that fails, too, the message stays with its lease and comes back.
   */
  async fault(delivery: Delivery, error: unknown): Promise<void> {
    const { settler, records, logger } = this.#parts;
    const about = { err: error, queue: delivery.queue, task_id: readableId(delivery) };
    try {
      logger.error(about, `the worker failed to handle a message: ${String(error)}`);
      const ending = endingOfFault(error, wantedId(delivery), records);
      const settled = settler.settle(delivery, ending, settler.prepare(ending));
      await settled.catch(() => settler.settle(delivery, { ...ending, record: null }));
    } catch {
      // It was settled before it failed, or it cannot be: nothing more can be done here.
    }
  }

  #endingOf(delivery: Delivery, refused: Refused): Ending {
    const { app, records } = this.#parts;
    if (refused.kind === 'undecodable') {
      const { reason, detail } = refused.refusal;
      return endingOfUndecodable(`${reason}: ${detail}`, wantedId(delivery), records);
    }
    const { message } = refused;
    const options = app.tasks.get(message.task)?.options;
    const subject: Subject = {
      message,
      queue: delivery.queue,
      ignoresResult: ignoresResult(message, options?.ignoreResult ?? false),
      keepsErrors: options?.storeErrorsEvenIfIgnored ?? app.config.taskStoreErrorsEvenIfIgnored,
      children: [],
    };
    return endingOfRefused(refused, subject, records);
  }

  async #signal(delivery: Delivery, refused: Refused): Promise<void> {
    const { app, logger } = this.#parts;
    const { taskRejected, taskRevoked, taskUnknown } = app.signals;
    switch (refused.kind) {
      case 'undecodable':
        return taskRejected.send(
          { id: readableId(delivery), queue: delivery.queue, reason: refused.refusal.detail },
          logger,
        );
      case 'expired':
        return taskRevoked.send({ message: refused.message, reason: 'expired' }, logger);
      case 'unknown':
        if (refused.until === null)
          await taskUnknown.send({ name: refused.message.task, id: refused.message.id }, logger);
    }
  }
}

const longestId = 512;

/** The id on the outside of a message whose body may be unreadable. */
export function readableId(delivery: Delivery): string | null {
  if (!delivery.message.ok) return null;
  const { id } = delivery.message.value.headers;
  return typeof id === 'string' && id !== '' && id.length <= longestId ? id : null;
}

/** The same, unless its result is to be ignored. */
function wantedId(delivery: Delivery): string | null {
  const ignored = delivery.message.ok && delivery.message.value.headers.ignore_result === true;
  return ignored ? null : readableId(delivery);
}
