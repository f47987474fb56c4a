// What becomes of messages that may not run: settled as `ending.ts` says, and told to who listens.
import type { App } from '../app/app.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { Delivery } from '../stores/transport.ts';
import { hasFollowers } from '../workflow/follow.ts';
import type { Refused } from './admit.ts';
import type { Concluder } from './conclude.ts';
import { type Ending, endingOfFault, endingOfRefused, endingOfUndecodable } from './ending.ts';
import type { Prepared } from './follow-writer.ts';
import { endedOfRefused, failure } from './following.ts';
import { ignoresResult, type Records, type Subject, workerLost } from './records.ts';
import type { Settler } from './settle.ts';
import type { TaskEvents } from './task-events.ts';
import type { TaskLog } from './task-log.ts';

export interface RefusalParts {
  readonly app: App;
  readonly settler: Settler;
  readonly concluder: Concluder;
  readonly records: Records;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: TaskLog;
  readonly events: TaskEvents;
}

export class Refusals {
  readonly #parts: RefusalParts;

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  async refuse(delivery: Delivery, refused: Refused): Promise<void> {
    const { settler, log, clock } = this.#parts;
    const ending = this.#endingOf(delivery, refused);
    const write = settler.prepare(ending);
    const prepared = await this.#following(delivery, refused);
    const settled =
      prepared === null
        ? await settler.settle(delivery, ending, write)
        : await this.#parts.concluder.conclude(delivery, ending, prepared, { write });
    if (settled === 'settled') {
      log.refused(delivery, refused, clock.now());
      if (this.#parts.events.on) this.#parts.events.refused(refused, delivery.redelivered);
      await this.#signal(delivery, refused);
    } else if (refused.kind !== 'undecodable') {
      log.unsettled(refused.message, settled);
    }
  }

  /**
   * The worker itself failed on this message: to the dead letters, since it would do so again; without a record of it, if
   * that is what cannot be written. If that fails, too, the message stays with its lease and comes back.
   */
  async fault(delivery: Delivery, error: unknown, message: TaskMessage | null = null): Promise<void> {
    const { settler, records, logger } = this.#parts;
    try {
      const about = { err: error, queue: delivery.queue, task_id: readableId(delivery) };
      logger.error(about, `the worker failed to handle a message: ${String(error)}`);
      const ending = endingOfFault(error, wantedId(delivery), records);
      const settled = this.#endFaulty(delivery, ending, message);
      await settled.catch(() => settler.settle(delivery, { ...ending, record: null }));
    } catch {
      // It was settled before it failed, or it cannot be: nothing more can be done here.
    }
  }

  async #endFaulty(delivery: Delivery, ending: Ending, message: TaskMessage | null): Promise<unknown> {
    const { settler, concluder } = this.#parts;
    const write = settler.prepare(ending);
    if (message === null || !hasFollowers(message) || ending.action.kind !== 'dead')
      return settler.settle(delivery, ending, write);
    const ended = failure(workerLost(ending.action.detail));
    const prepared = await concluder.prepare(message, ended, delivery.lost);
    return prepared === null ? null : concluder.conclude(delivery, ending, prepared, { write });
  }

  /** What follows a message that is not run: it has failed, or it has ended before; null: nothing. */
  async #following(delivery: Delivery, refused: Refused): Promise<Prepared | null> {
    if (refused.kind === 'undecodable') return null;
    const { settler, concluder, logger } = this.#parts;
    const ended = endedOfRefused(refused, settler.together);
    if (ended === null) return null;
    try {
      return await concluder.prepare(refused.message, ended, delivery.lost);
    } catch (error) {
      const about = { err: error, task_id: refused.message.id, task_name: refused.message.task };
      logger.error(about, `what follows ${refused.message.task} cannot be sent: ${String(error)}`);
      return null;
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
      case 'revoked':
        return taskRevoked.send({ message: refused.message, reason: refused.kind }, logger);
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
