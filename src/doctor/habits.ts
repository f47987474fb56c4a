// Checks of the source text of tasks. They are guesses, and are worded as such. Pure.
import type { AnyTask } from '../app/task.ts';
import { type Finding, listed } from './finding.ts';
import { type ApplicationSources, codeIn } from './sources.ts';

export type HabitCheck = (tasks: readonly AnyTask[], sources: ApplicationSources) => Finding | null;

/** The names of the first tasks, and the number of the others. */
export const names = (tasks: readonly AnyTask[]): string => listed(tasks.map(({ name }) => name));

const changes =
  /method:\s*['"`](?:POST|PATCH)['"`]|\.post\(|\bsendMail\(|\bINSERT INTO\b|\.(?:charge|capture|refund)s?\b/i;
const knowsRepeats = /idempoten|request\.id\b|\btask\.id\b|ON CONFLICT|upsert/i;
/** Calls by which a client changes another service. */
const changesByClient =
  /(?:\.[\w$]+)*\.(?:create|createMany|insert\w*|send\w*|post|publish|charge\w*|capture\w*|refund\w*|increment)\(/;
const leavesBehind =
  /\b(?:setInterval|setImmediate)\(|(?<!new Promise[^;]{0,80})\bsetTimeout\(|(?<![\w$.])void\s+[\w$][\w$.]*\(/;
/** Names of tasks that look like published events. */
const eventName = /(?:^|[._:-])(?:events?|happened|published|on_\w+ed|event_\w+)$/i;
const empty = /^[^{]*(?:=>\s*)?\{\s*\}$|=>\s*(?:undefined|null|void 0)$/;

export const habitChecks: readonly HabitCheck[] = [
  (tasks, { codeOf, callersOf }) => {
    const repeated = tasks.filter((task) => {
      const text = codeOf(task);
      const changesIt =
        changes.test(text) ||
        callersOf(task).some((name) =>
          text.split(name).some((rest, n) => n > 0 && startsWith(rest, changesByClient)),
        );
      return changesIt && !knowsRepeats.test(text) && task.options.unique === null;
    });
    if (repeated.length === 0) return null;
    return {
      check: 'idempotency',
      level: 'note',
      what: `these tasks change another system, and show no protection against a second run: ${names(repeated)}`,
      why: 'a task whose worker dies before its result is recorded runs again: at least once, not exactly once',
      fix: "{ bind: true } and task.request.id as the key of the change ('Idempotency-Key', ON CONFLICT DO NOTHING)",
    };
  },
  (tasks, { codeOf }) => {
    const leaving = tasks.filter((task) => leavesBehind.test(codeIn(codeOf(task))));
    if (leaving.length === 0) return null;
    return {
      check: 'background',
      level: 'warning',
      what: `these tasks start work that goes on after they have ended: ${names(leaving)}`,
      why: 'the task counts as done: that work has no retries and no limits, and is lost when the worker stops',
      fix: 'await it in the task, or send it as a separate task: applyAsync(args, { countdown: 60 })',
    };
  },
  (tasks, { codeOf }) => {
    const messages = tasks.filter(
      (task) => eventName.test(task.name) || empty.test(codeIn(codeOf(task)).trim()),
    );
    if (messages.length === 0) return null;
    return {
      check: 'message-bus',
      level: 'note',
      what: `these tasks look like events, and not like work: ${names(messages)}`,
      why: 'a queue gives each message to one worker, once: no other program gets it, and it cannot be read again',
      fix: 'send each listener its own task (a group), or use a system for events: Kafka, Redis Streams, a topic exchange with a queue for each reader',
    };
  },
];

function startsWith(text: string, pattern: RegExp): boolean {
  return pattern.exec(text)?.index === 0;
}

/** `count`: timers that run after the import alone. */
export function examineTimers(count: number): Finding | null {
  if (count === 0) return null;
  return {
    check: 'timers',
    level: 'warning',
    what: `the application starts ${count === 1 ? 'a timer' : `${count} timers`} when it is imported`,
    why: 'the timer runs in every process that imports the application (workers, beats, web servers), without retries, limits or a log',
    fix: "make it a task, and app.schedule(name, every('1m'), task.s()): beat sends it, one worker runs it",
  };
}
