// The job that all three ways do: it takes its time, tells how far it is, and fails as often as it is asked to.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Work {
  /** A number for people. */
  readonly number: number;
  readonly seconds: number;
  /** How many attempts are to fail. */
  readonly failures: number;
}

export interface Done {
  readonly status: 'success';
  readonly task_num: number;
}

/** Jobs at a time in each program of each way. */
export const slots = 3;

const steps = 5;

/** @param report told the share that is done, after each step but the last */
export async function work(
  { number, seconds, failures }: Work,
  attempt: number,
  report: (share: number) => Promise<void>,
): Promise<Done> {
  for (let step = 1; step <= steps; step++) {
    await sleep((seconds * 1000) / steps);
    if (step === 2 && attempt <= failures) throw new Error(`attempt ${attempt} fails, as it was asked to`);
    if (step < steps) await report(step / steps);
  }
  return { status: 'success', task_num: number };
}
