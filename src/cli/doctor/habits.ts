// What the text of tasks says of how they were meant: guesses, and said as such. Pure.
import type { AnyTask } from '../../app/task.ts';
import { type Finding, listed } from './finding.ts';
import { type ApplicationSources, codeIn } from './sources.ts';

export type HabitCheck = (tasks: readonly AnyTask[], sources: ApplicationSources) => Finding | null;

/** Their names, some of them. */
export const names = (tasks: readonly AnyTask[]): string => listed(tasks.map(({ name }) => name));

const changes =
  /method:\s*['"`](?:POST|PATCH)['"`]|\.post\(|\bsendMail\(|\bINSERT INTO\b|\.(?:charge|capture|refund)s?\b/i;
const knowsRepeats = /idempoten|request\.id\b|\btask\.id\b|ON CONFLICT|upsert/i;
/** Of a client of another service. */
const changesByClient =
  /(?:\.[\w$]+)*\.(?:create|createMany|insert\w*|send\w*|post|publish|charge\w*|capture\w*|refund\w*|increment)\(/;
const leavesBehind =
  /\b(?:setInterval|setImmediate)\(|(?<!new Promise[^;]{0,80})\bsetTimeout\(|(?<![\w$.])void\s+[\w$][\w$.]*\(/;
/** A message about something that has happened, as others would publish it. */
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
      what: `these tasks change something elsewhere, and do not say how they bear to run twice: ${names(repeated)}`,
      why: 'a task whose worker dies before its result is recorded runs again: at least once, not exactly once',
      mend: "{ bind: true } and task.request.id as the key of what is done ('Idempotency-Key', ON CONFLICT DO NOTHING)",
    };
  },
  (tasks, { codeOf }) => {
    const leaving = tasks.filter((task) => leavesBehind.test(codeIn(codeOf(task))));
    if (leaving.length === 0) return null;
    return {
      check: 'background',
      level: 'warning',
      what: `these tasks leave work behind that goes on when they have ended: ${names(leaving)}`,
      why: 'the task counts as done: nobody retries that work, no limit holds for it, and it is lost when the worker stops',
      mend: 'await it within the task, or send it as a task of its own: applyAsync(args, { countdown: 60 })',
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
      what: `these tasks look like messages about what has happened, and not like work: ${names(messages)}`,
      why: 'a queue gives each message to one worker, once, and then forgets it: nobody else hears it, nobody can read it again',
      mend: 'send each listener its own task (a group), or use what is made for events: Kafka, Redis Streams, a topic exchange with a queue for each reader',
    };
  },
];

function startsWith(text: string, pattern: RegExp): boolean {
  return pattern.exec(text)?.index === 0;
}

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
