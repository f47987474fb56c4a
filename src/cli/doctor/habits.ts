// What the text of tasks says of how they were meant: guesses, and said as such. Pure.
import type { AnyTask } from '../../app/task.ts';
import { type Finding, listed } from './finding.ts';

type Check = (tasks: readonly AnyTask[]) => Finding | null;

/** The code of a task; empty: it lives elsewhere. */
export const source = ({ run }: AnyTask): string =>
  run === null ? '' : Function.prototype.toString.call(run);

/** Their names, some of them. */
export const names = (tasks: readonly AnyTask[]): string => listed(tasks.map(({ name }) => name));

const changes =
  /method:\s*['"`](?:POST|PATCH)['"`]|\.post\(|\bsendMail\(|\bINSERT INTO\b|\.(?:charge|capture|refund)s?\b/i;
const knowsRepeats = /idempoten|request\.id\b|\btask\.id\b|ON CONFLICT|upsert/i;
const leavesBehind = /\b(?:setInterval|setImmediate)\(|(?<!new Promise[^;]{0,80})\bsetTimeout\(/;

export const habitChecks: readonly Check[] = [
  (tasks) => {
    const repeated = tasks.filter(
      (task) =>
        changes.test(source(task)) && !knowsRepeats.test(source(task)) && task.options.unique === null,
    );
    if (repeated.length === 0) return null;
    return {
      check: 'idempotency',
      level: 'note',
      what: `these tasks change something elsewhere, and do not say how they bear to run twice: ${names(repeated)}`,
      why: 'a task whose worker dies before its result is recorded runs again: at least once, not exactly once',
      mend: "{ bind: true } and task.request.id as the key of what is done ('Idempotency-Key', ON CONFLICT DO NOTHING)",
    };
  },
  (tasks) => {
    const leaving = tasks.filter((task) => leavesBehind.test(source(task)));
    if (leaving.length === 0) return null;
    return {
      check: 'background',
      level: 'warning',
      what: `these tasks leave work behind that goes on when they have ended: ${names(leaving)}`,
      why: 'the task counts as done: nobody retries that work, no limit holds for it, and it is lost when the worker stops',
      mend: 'await it within the task, or send it as a task of its own: applyAsync(args, { countdown: 60 })',
    };
  },
];

/** `count`: timers that run although nothing was asked of the application yet. */
export function examineTimers(count: number): Finding | null {
  if (count === 0) return null;
  return {
    check: 'timers',
    level: 'warning',
    what: `the application starts ${count === 1 ? 'a timer' : `${count} timers`} when it is imported`,
    why: 'what a timer does is done in every process that imports it, each worker, beat and web server, without retries, limits or a log',
    mend: "make it a task, and app.schedule(name, every('1m'), task.s()): beat sends it, one worker runs it",
  };
}
