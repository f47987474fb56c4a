// Queues: their depths and rates, their workers, and the messages that wait in them or that workers hold.
import { z } from 'zod';
import type { App } from '../../../app/app.ts';
import type { QueueState, WaitingTask } from '../../../app/queues.ts';
import { queuesOfTasks } from '../../../app/task-queues.ts';
import type { Control } from '../../../control/control.ts';
import { CannotPeekError } from '../../../errors.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { redactedRepr } from '../../../lib/redact.ts';
import { checkQueueName } from '../../../stores/reserved-names.ts';
import {
  type CapacityHint,
  capacityHint,
  type MeanRuntime,
  meanRuntimes,
  type QueueSlots,
  slotsByQueue,
} from './capacity.ts';
import { plainName } from './checked.ts';
import type { Fleet } from './fleet.ts';
import { type ControlOutcome, outcomeOf } from './workers.ts';

export interface QueueLine {
  readonly name: string;
  /** Messages that a worker can claim now. */
  readonly ready: number;
  /** Messages that wait for their eta; null: the broker does not count them. */
  readonly scheduled: number | null;
  /** Messages that workers hold; null: the broker does not count them. */
  readonly held: number | null;
  /** The workers that consume the queue; null: the request to the workers failed, or no reply is there yet. */
  readonly workers: readonly string[] | null;
  /** The application's tasks that are routed to the queue. */
  readonly tasks: readonly string[];
  /** Since when the oldest ready message waits, milliseconds since 1970; null: none waits, or it is unknown. */
  readonly oldestAt: number | null;
  /** Messages per second in the last five minutes; null: unknown. */
  readonly inRate: number | null;
  readonly outRate: number | null;
  /** Seconds until no message is ready, at these rates; null: never, or unknown. */
  readonly drainsIn: number | null;
  /** How many more slots it needs; null: nothing waits, it is paused, or nothing is known of its tasks. */
  readonly capacity: CapacityHint | null;
  /** Null: it is not paused. */
  readonly paused: {
    /** Milliseconds since 1970. */
    readonly since: number;
    readonly by: string;
    readonly reason: string;
  } | null;
  /** Ready messages in the last five minutes, one value every five seconds, the oldest first. */
  readonly trend: readonly number[];
}

export interface QueueOverview {
  readonly queues: readonly QueueLine[];
  /** The broker counts scheduled and held messages. */
  readonly counts: boolean;
  /** The error of the request to the workers; null: it succeeded. */
  readonly problem: string | null;
  /** The workers are being asked which queues they serve. */
  readonly asking: boolean;
}

const sampleMs = 5_000;
/** Rates, ages and pauses are read again after this time, milliseconds: for the rates the history counts the tasks of five minutes. */
const statesMs = 10_000;
const maxSamples = 60;

/** Samples the depths of all queues, as often as `sample` or `list` is called but at most every five seconds. */
export class QueueWatch {
  readonly #app: App;
  readonly #fleet: Fleet;
  readonly #cluster: ClusterState;
  readonly #samples = new Map<string, number[]>();
  #sampledAt = 0;
  #sampling: Promise<void> | null = null;
  #states: ReadonlyMap<string, QueueState> = new Map();
  #runtimes: ReadonlyMap<string, MeanRuntime> = new Map();
  /** Milliseconds since 1970; 0: they must be read again. */
  #statesAt = 0;
  #readingStates: Promise<void> | null = null;

  constructor(app: App, fleet: Fleet, cluster: ClusterState) {
    this.#app = app;
    this.#fleet = fleet;
    this.#cluster = cluster;
  }

  /** Does not wait for the replies of workers. @throws BrokerUnavailable */
  async list(): Promise<QueueOverview> {
    const served = this.#fleet.queues();
    const broker = await this.#app.broker();
    const ofTasks = queuesOfTasks(this.#app);
    const known = [...ofTasks.keys(), ...[...(served.value?.values() ?? [])].flat(), ...this.#samples.keys()];
    await this.#readStates(known);
    const names = new Set([...known, ...this.#states.keys(), ...(await broker.queues())]);
    const { counts } = broker.features;
    const slots = slotsByQueue(this.#fleet, this.#cluster, served.value);
    const queues = await Promise.all(
      [...names].sort().map(async (name): Promise<QueueLine> => {
        const { ready, scheduled, claimed } = await broker.size(name);
        return {
          name,
          ready,
          scheduled: counts ? scheduled : null,
          held: counts ? claimed : null,
          workers:
            served.value &&
            [...served.value].filter(([, own]) => own.includes(name)).map(([worker]) => worker),
          tasks: ofTasks.get(name) ?? [],
          ...detailsOf(this.#states.get(name), ready, this.#statesAt),
          capacity: this.#capacityOf(name, ready, slots),
          trend: this.#samples.get(name) ?? [],
        };
      }),
    );
    this.#record(queues, Date.now());
    return { queues, counts, problem: served.problem, asking: served.asking };
  }

  /** Makes the next call of `list` read pauses and rates again. */
  forget(): void {
    this.#statesAt = 0;
    this.#readingStates = null;
  }

  #capacityOf(name: string, ready: number, slots: ReadonlyMap<string, QueueSlots>): CapacityHint | null {
    const { inRate = null, outRate = null, paused = null } = this.#states.get(name) ?? {};
    const runtime = this.#runtimes.get(name);
    if (paused !== null || runtime === undefined) return null;
    const { all = null, free = null } = slots.get(name) ?? {};
    return capacityHint({ ready, inRate, outRate, slots: all, free, runtime });
  }

  /** `also`: queues that the broker may not list. @throws BrokerUnavailable */
  #readStates(also: readonly string[]): Promise<void> {
    if (Date.now() - this.#statesAt < statesMs) return Promise.resolve();
    if (this.#readingStates !== null) return this.#readingStates;
    const reading = this.#app.queues
      .list(also)
      .then((states) => {
        if (this.#readingStates !== reading) return; // read before a call of `forget`
        this.#states = new Map(states.map((state) => [state.name, state]));
        this.#statesAt = Date.now();
        // Nobody waits for the history: the next answer has it.
        const busy = states.filter(({ ready, paused }) => ready > 0 && paused === null);
        void meanRuntimes(
          this.#app,
          busy.sort((a, b) => b.ready - a.ready).map(({ name }) => name),
        ).then((runtimes) => {
          this.#runtimes = runtimes;
        });
      })
      .finally(() => {
        if (this.#readingStates === reading) this.#readingStates = null;
      });
    this.#readingStates = reading;
    return reading;
  }

  /** Takes a sample if the last one is old. Never rejects. */
  sample(now = Date.now()): Promise<void> {
    if (now - this.#sampledAt < sampleMs) return Promise.resolve();
    this.#sampling ??= this.list()
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#sampling = null;
      });
    return this.#sampling;
  }

  #record(queues: readonly QueueLine[], now: number): void {
    if (now - this.#sampledAt < sampleMs) return;
    this.#sampledAt = now;
    for (const { name, ready } of queues) {
      const samples = this.#samples.get(name) ?? [];
      samples.push(ready);
      this.#samples.set(name, samples.slice(-maxSamples));
    }
  }
}

/** `ready`: the number of ready messages now; `at`: when `state` was read, milliseconds since 1970. */
function detailsOf(
  state: QueueState | undefined,
  ready: number,
  at: number,
): Pick<QueueLine, 'oldestAt' | 'inRate' | 'outRate' | 'drainsIn' | 'paused'> {
  const { oldest = null, inRate = null, outRate = null, drainsIn = null, paused = null } = state ?? {};
  return {
    oldestAt: ready === 0 || oldest === null ? null : at - oldest * 1000,
    inRate,
    outRate,
    drainsIn: ready === 0 ? null : drainsIn,
    paused: paused && { since: paused.since.getTime(), by: paused.by, reason: paused.reason },
  };
}

export const queueName = z.object({
  name: plainName(255).superRefine((name, { addIssue }) => {
    try {
      checkQueueName(name);
    } catch (error) {
      addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  }),
});

export const waitingFilter = z.object({
  place: z.enum(['ready', 'scheduled']).default('ready'),
  first: z.enum(['next', 'last']).default('next'),
});

export interface WaitingLine {
  /** Number of messages before it. */
  readonly position: number;
  /** Milliseconds since 1970; null: it is ready. */
  readonly dueAt: number | null;
  /** Milliseconds since 1970; null: unknown. */
  readonly waitsSince: number | null;
  /** Why the call is not shown; null: it is shown. */
  readonly problem: string | null;
  readonly id: string | null;
  readonly task: string | null;
  /** The arguments in one line, shortened. */
  readonly call: string;
  readonly priority: number | null;
  readonly retries: number | null;
  readonly origin: string | null;
}

export interface WaitingList {
  readonly waiting: readonly WaitingLine[];
  /** Why this broker cannot show waiting messages, and what to do instead; null: it can. */
  readonly problem: string | null;
}

const shownWaiting = 50;
const maxCallLength = 300;

/** Messages that wait in a queue. They stay there. @throws BrokerUnavailable */
export async function peekQueue(
  app: App,
  name: string,
  filter: z.infer<typeof waitingFilter>,
): Promise<WaitingList> {
  try {
    const found = await app.queues.peek(name, { ...filter, limit: shownWaiting });
    return { waiting: found.map(waitingLine), problem: null };
  } catch (error) {
    if (error instanceof CannotPeekError) return { waiting: [], problem: error.message };
    throw error;
  }
}

function waitingLine({ position, due, waitsSince, problem, call }: WaitingTask): WaitingLine {
  return {
    position,
    dueAt: due?.getTime() ?? null,
    waitsSince: waitsSince?.getTime() ?? null,
    problem,
    id: call?.id ?? null,
    task: call?.task ?? null,
    call: call === null ? '' : callText(call).slice(0, maxCallLength),
    priority: call?.priority ?? null,
    retries: call?.retries ?? null,
    origin: call?.origin ?? null,
  };
}

/** The arguments as Python reprs, with secrets hidden. */
function callText({ argsrepr, kwargsrepr }: NonNullable<WaitingTask['call']>): string {
  return [argsrepr, kwargsrepr]
    .filter((text) => !['', '()', '{}'].includes(text))
    .map((text) => redactedRepr(text))
    .join(' ');
}

/** @throws CannotPauseError, ConfigError, BrokerUnavailable */
export async function pauseQueue(
  control: Control,
  name: string,
  why: { readonly by: string; readonly reason: string },
): Promise<ControlOutcome> {
  return outcomeOf(await control.pause({ queue: name }, why));
}

/** @throws CannotPauseError, BrokerUnavailable */
export async function resumeQueue(control: Control, name: string): Promise<ControlOutcome> {
  return outcomeOf(await control.resume({ queue: name }));
}
