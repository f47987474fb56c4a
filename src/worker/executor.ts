// Runs the code of admitted tasks, and returns the outcome of each run.
import { toRequest } from '../app/running/request.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { ActiveTasks } from './active-tasks.ts';
import type { Candidate } from './admission/admission.ts';
import type { EventLoopMonitor } from './event-loop-monitor.ts';
import { applyAckPolicy, type ExecutionOutcome } from './outcome.ts';
import { Run, type RunParts } from './run.ts';
import type { TaskEvents } from './task-events.ts';
import type { TaskStates } from './task-states.ts';
import { type TimeLimitRules, timeLimitsOf } from './time-limits.ts';

interface ExecutorParts {
  /** Node name. */
  readonly name: string;
  readonly pool: RunParts['pool'];
  readonly active: ActiveTasks;
  readonly states: TaskStates;
  readonly events: Pick<TaskEvents, 'on' | 'progressed' | 'logged'>;
  readonly timeLimits: TimeLimitRules;
  readonly eventLoop: Pick<EventLoopMonitor, 'begins'>;
  /** Setting `workerMaxDeliveries`. */
  readonly maxDeliveries: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Executor {
  readonly #parts: ExecutorParts;
  readonly #runParts: RunParts;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    const { pool, clock, logger, states, events } = parts;
    this.#runParts = {
      pool,
      clock,
      logger,
      putState: (run, state, meta) => {
        if (events.on && state !== 'STARTED') events.progressed(run.message, state, meta);
        return states.put(run, state, meta);
      },
      keepLine: ({ message }, level, text) => {
        if (events.on) events.logged(message, level, text);
      },
    };
  }

  /** The run of an admitted message. */
  runOf({ delivery, message, task }: Candidate): Run {
    if (task === undefined) throw new TypeError('a message that was admitted has a task');
    const { queue, redelivered } = delivery;
    const properties = delivery.message.ok ? delivery.message.value.properties : undefined;
    const hostname = this.#parts.name;
    const request = toRequest(message, { queue, redelivered, hostname, isEager: false, properties });
    return new Run(task, request, delivery, this.#runParts);
  }

  /** Runs the task once, within its time limits. Never rejects. */
  async execute(run: Run): Promise<ExecutionOutcome> {
    const { active, states, timeLimits, eventLoop, maxDeliveries, clock } = this.#parts;
    const { task, message, delivery, early } = run;
    if (task.options.trackStarted) states.started(run);
    active.begins(run, clock.now());
    eventLoop.begins(message);
    const outcome: ExecutionOutcome = active.abandoning
      ? { kind: 'abandoned' }
      : await run.execute(timeLimitsOf(task, message, timeLimits));
    active.ends(run);
    const { interrupted } = run;
    const { crashes } = delivery;
    return applyAckPolicy(outcome, task.options, { early, interrupted, crashes, maxDeliveries });
  }
}
