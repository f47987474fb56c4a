// What makes a worker visible and controllable: its events, its heartbeats, and its consumer for remote-control commands.

import type { App } from '../app/app.ts';
import { EventSender } from '../events/sender.ts';
import type { Clock } from '../lib/clock.ts';
import { atMost } from '../lib/deadline.ts';
import { LamportClock } from '../lib/lamport.ts';
import type { Logger } from '../lib/logger.ts';
import type { HistoryWriter } from '../sending/history-writer.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Transport } from '../stores/transport.ts';
import type { ActiveTasks } from './active-tasks.ts';
import { Activity } from './activity.ts';
import type { Panel } from './commands/panel.ts';
import { RemoteControl } from './commands/remote-control.ts';
import { DeferredMessages } from './deferred-messages.ts';
import { Gossip } from './gossip.ts';
import { Heart } from './heart.ts';
import { HistoryNotes } from './history-notes.ts';
import { Interval } from './interval.ts';
import { RateLimits } from './rate-limits.ts';
import { Revocations } from './revocations.ts';
import type { RunLimits } from './run.ts';
import { TaskEvents } from './task-events.ts';

interface OperationsParts {
  readonly app: App;
  /** Node name. */
  readonly name: string;
  readonly transport: Transport;
  /** Null: the history is not told. */
  readonly history: HistoryWriter | null;
  readonly active: Pick<ActiveTasks, 'running'>;
  /** Send task events from the start. */
  readonly taskEvents: boolean;
  /** Subscribe to remote-control commands. */
  readonly remoteControl: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What runs of tasks use of it. */
interface Rules {
  readonly rateLimits: RateLimits;
  readonly timeLimits: Map<string, RunLimits>;
  readonly revocations: Revocations;
  readonly events: TaskEvents;
  readonly activity: Activity;
}

/** How long a start or a stop waits for a broker that does not answer, milliseconds. */
const deadlineMs = 3_000;
/** How often an idle worker asks whether a recorder is registered, milliseconds. */
const lookEveryMs = 10_000;

export class Operations {
  readonly rules: Rules;
  readonly deferred: DeferredMessages;
  readonly #parts: OperationsParts;
  readonly #sender: EventSender;
  readonly #lamport = new LamportClock();
  readonly #heart: Heart;
  readonly #notes: HistoryNotes;
  readonly #looks: Interval;
  #control: RemoteControl | null = null;
  #gossip: Gossip | null = null;
  readonly #leaving = new AbortController();
  #mingling: Promise<void> | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(parts: OperationsParts) {
    const { name: hostname, transport, clock, logger, taskEvents } = parts;
    this.#parts = parts;
    const { fanout, revocations } = transport;
    this.#sender = new EventSender({
      fanout,
      exchange: parts.app.exchanges.events,
      hostname,
      lamport: this.#lamport,
      clock,
      logger,
      taskEvents,
    });
    this.#notes = new HistoryNotes(parts.history, this.#sender);
    if (parts.history !== null) parts.history.logger = logger;
    this.#looks = new Interval(clock, lookEveryMs, () => void parts.history?.look());
    const activity = new Activity(clock.now());
    this.rules = {
      rateLimits: new RateLimits(),
      timeLimits: new Map(),
      revocations: new Revocations({ revocations, clock, logger }),
      events: new TaskEvents(this.#sender, this.#notes),
      activity,
    };
    const { app } = parts;
    this.deferred = new DeferredMessages({ app, transport, events: this.rules.events, clock });
    const active = (): number => parts.active.running.size;
    this.#heart = new Heart({ sender: this.#sender, activity, active, clock });
  }

  /** Loads the revocations, and whether a recorder is registered, before the first message is claimed. Never rejects. */
  async prepare(): Promise<void> {
    const known = Promise.all([this.#load(), this.#parts.history?.look()]);
    await atMost(deadlineMs, known, this.#parts.clock);
    this.#unsubscribe = this.#parts.transport.onStatus(({ state }) => {
      if (state === 'connected') void this.#load(); // revocations that were broadcast meanwhile were missed
    });
  }

  /** Sends `worker-online` and subscribes to commands. Never rejects. */
  async start(
    panel: Omit<Panel, keyof Rules | 'app' | 'name' | 'events' | 'heart' | 'lamport' | 'logger' | 'deferred'>,
  ): Promise<void> {
    const { app, name, transport, clock, logger, remoteControl } = this.#parts;
    await this.#heart.start();
    if (this.#parts.history !== null) await this.#looks.start();
    if (!remoteControl) return;
    const own = { app, name, heart: this.#heart, lamport: this.#lamport, logger, deferred: this.deferred };
    this.#control = new RemoteControl({
      panel: { ...panel, ...this.rules, ...own, events: this.#sender },
      fanout: transport.fanout,
      clock,
      custom: app.commands,
    });
    await this.#control.start();
    // In other stores, all that workers know is in the store.
    if (storeNamed(app.config.broker)?.python !== true) return;
    this.#mingling = this.#mingle();
    const { fanout } = transport;
    const [exchange, queuePrefix] = [app.exchanges.events, app.config.eventQueuePrefix];
    this.#gossip = new Gossip({ fanout, exchange, queuePrefix, name, lamport: this.#lamport, clock, logger });
    await this.#gossip.start();
  }

  /** Sends `worker-offline` and unsubscribes. Never rejects. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    const { transport } = this.#parts;
    this.#leaving.abort();
    await this.#looks.stop();
    this.#notes.flush();
    const leave = async (): Promise<void> => {
      await this.#parts.history?.flush();
      await this.#mingling;
      await this.#control?.stop();
      await this.#gossip?.stop();
      await this.#heart.stop();
      await this.#sender.close();
    };
    const left = leave().catch(() => undefined);
    // No monitor would receive it.
    if (transport.status.state !== 'reconnecting') await atMost(deadlineMs, left, this.#parts.clock);
  }

  /** In the background: revocations of our own workers were read from the store before. */
  async #mingle(): Promise<void> {
    const { name, transport, clock, logger } = this.#parts;
    const { fanout } = transport;
    const { mingle } = await import('./mingle.ts');
    const { revocations } = this.rules;
    await mingle({
      fanout,
      exchanges: this.#parts.app.exchanges,
      name,
      revocations,
      lamport: this.#lamport,
      accepted: this.#parts.app.config.acceptContent,
      clock,
      logger,
      signal: this.#leaving.signal,
    });
  }

  async #load(): Promise<void> {
    try {
      await this.rules.revocations.load();
    } catch (error) {
      this.#parts.logger.warn({ err: error }, `cannot read revocations: ${String(error)}`);
    }
  }
}
