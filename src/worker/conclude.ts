// Ending a task that is part of a workflow: what follows is made durable before, or together with, its acknowledgement, so that
// after a crash on any line the message comes back, and the same is done again, with the same ids.
import { announceSent } from '../app/announce.ts';
import type { App } from '../app/app.ts';
import { tellSent } from '../app/sent-event.ts';
import { type Ended, followOf, followOfMember } from '../canvas/follow.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { StoreWrite } from '../lib/store-write.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultBackend } from '../results/backend.ts';
import type { Delivery, Publication } from '../transports/transport.ts';
import { ChordGatherer } from './chord-gatherer.ts';
import type { Ending } from './ending.ts';
import { FollowWriter, type Prepared } from './follow-writer.ts';
import type { Settled, Settler } from './settle.ts';

export interface ConcludeParts {
  readonly app: App;
  readonly settler: Settler;
  readonly backend: ResultBackend | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Concluder {
  readonly #parts: ConcludeParts;
  readonly #writer: FollowWriter;
  readonly #chords: ChordGatherer;

  constructor(parts: ConcludeParts) {
    this.#parts = parts;
    this.#writer = new FollowWriter(parts);
    this.#chords = new ChordGatherer(parts, this.#writer);
  }

  /**
   * Decides what follows and writes it down; null: the worker stops, or lost the task, before the store answered.
   * @throws WorkflowError, NotSerializableError and the like when it cannot be: then the task has failed.
   */
  async prepare(message: TaskMessage, ended: Ended, lost: AbortSignal): Promise<Prepared | null> {
    const alone = followOfMember(message, ended);
    if (alone !== null) return { follow: alone, publications: none, children: none };
    let prepared: Prepared | null = null;
    const done = await this.#parts.settler.insist('read what follows a task', lost, async () => {
      prepared = await this.#writer.write(await followOf(message, ended, this.#writer.rules()));
    });
    return done ? prepared : null;
  }

  /**
   * Ends the task. `early`: it was acknowledged before it ran. `write` is what the settler prepared of the ending's record.
   */
  async conclude(
    delivery: Delivery,
    ending: Ending,
    { follow, publications }: Prepared,
    { write, early = false }: { readonly write?: StoreWrite | undefined; readonly early?: boolean } = {},
  ): Promise<Settled> {
    const { settler, backend } = this.#parts;
    if (!early && (await this.#chords.isOneOfMany(follow))) return settler.settle(delivery, ending, write);
    const lost = early ? never : delivery.lost;
    const ready = await settler.insist('store what follows a task', lost, () =>
      this.#writer.makeReady(follow),
    );
    if (!ready) return gaveUp(lost);
    const gathered = await this.#chords.gather(follow, lost);
    if (gathered === null) return gaveUp(lost);
    const { complete } = gathered;
    const following = marked([...publications, ...gathered.publications], delivery);
    if (early) {
      const kept = await settler.settleEarly(delivery, ending, following.map(withoutWrite));
      if (kept !== 'settled') return kept;
      this.tell(following);
      return this.#chords.finish(complete, kept);
    }
    if (settler.together && ending.action.kind === 'ack') {
      const [first] = complete;
      if (first === undefined || backend?.chords === undefined) {
        const alone = await settler.settle(delivery, ending, write, following);
        if (alone === 'settled') this.tell(following);
        return alone;
      }
      // Record, end of the chord and body are one settlement: who has lost the lease writes none of them.
      const done = backend.chords.writeOfDone(first.groupId, write);
      const settled = await settler.settle(delivery, ending, done, following);
      if (settled !== 'settled') return settled;
      this.tell(following);
      return this.#chords.finish(complete, settled, first);
    }
    // Two stores, or a dead letter: the result, then what follows, then the end of the chord, then the acknowledgement.
    const isAck = ending.action.kind === 'ack';
    const kept = isAck ? await settler.keep(delivery, ending.record) : 'settled';
    if (kept !== 'settled') return kept;
    if (!(await settler.publish(following, lost))) return gaveUp(lost);
    this.tell(following);
    await this.#chords.finish(complete, 'settled');
    return settler.settle(delivery, isAck ? { ...ending, record: null } : ending, write);
  }

  /** Tells of what was sent, where anybody wants to know. */
  tell(sent: readonly Publication[]): void {
    const { app } = this.#parts;
    if (app.config.taskSendSentEvent) tellSent(app, sent);
    if (app.signals.afterTaskPublish.connected) void announceSent(app, sent);
  }
}

const never = new AbortController().signal;
const none: readonly never[] = [];

function gaveUp(lost: AbortSignal): Settled {
  return lost.aborted ? 'fenced' : 'gave-up';
}

function withoutWrite({ write: _, ...publication }: Publication): Publication {
  return publication;
}

/** What follows a message that came back may have been sent before: whoever gets it looks for its result first. */
function marked(publications: readonly Publication[], { redelivered }: Delivery): readonly Publication[] {
  if (!redelivered) return publications;
  return publications.map((publication) => {
    const { properties } = publication.message;
    const deliveryInfo = { ...properties.deliveryInfo, redelivered: true };
    return {
      ...publication,
      message: { ...publication.message, properties: { ...properties, deliveryInfo } },
    };
  });
}
