// Log lines for people: in our own form, or in the format of Celery's settings worker_log_format and worker_task_log_format.
import { styleText } from 'node:util';
import type { DestinationStream } from 'pino';
import type { Config } from '../config/config.ts';
import { celeryLogFormat, celeryTaskLogFormat, localTime, logFormatter } from '../lib/log-format.ts';

export interface LineFormats {
  /** The format of the worker's own lines. */
  readonly worker: string;
  /** The format of lines that a task's code logs. */
  readonly task: string;
}

/** The formats; null: neither is set. If only one is set, the other is Celery's default. */
export function lineFormatsOf({ workerLogFormat, workerTaskLogFormat }: Config): LineFormats | null {
  if (workerLogFormat === null && workerTaskLogFormat === null) return null;
  return { worker: workerLogFormat ?? celeryLogFormat, task: workerTaskLogFormat ?? celeryTaskLogFormat };
}

/** Where lines go. */
interface Target {
  write(text: string): unknown;
}

/** Our own form: time, level, message, and the fields that are not in the message. Reads the JSON lines of pino. */
export function plainLines(target: Target, colors: boolean): DestinationStream {
  const paint = (color: Color, text: string): string =>
    colors ? styleText(color, text, { validateStream: false }) : text;
  return {
    write(json) {
      // The worker's messages contain `node` and `runtime` already.
      const { time, level, msg, err, task_id, task_name, node, runtime, ...fields } = recordOf(json);
      const message = withTask(String(msg ?? ''), task_id, task_name);
      const [color, name] = [ownColors[String(level)] ?? 'gray', String(level).toUpperCase()];
      const more = Object.keys(fields).length === 0 ? '' : ` ${paint('gray', JSON.stringify(fields))}`;
      const painted = paint('cyan', continued(message));
      const lines = [`[${localTime(new Date(String(time)))}] ${paint(color, name)}: ${painted}${more}`];
      target.write(`${[...lines, ...errorLines(err).map(continued)].join('\n    ')}\n`);
    },
  };
}

type Color = 'blue' | 'yellow' | 'red' | 'magenta' | 'green' | 'gray' | 'cyan' | 'bgRed';

const ownColors: Readonly<Record<string, Color>> = {
  debug: 'blue',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'bgRed',
};

/** Adds the task's name and id to lines that a task logs, like Celery. Lines of beat have an id as well, but no task logged them. */
function withTask(message: string, id: unknown, name: unknown): string {
  if (typeof id !== 'string' || message.includes(id)) return message;
  return typeof name === 'string' ? `${name}[${id}]: ${message}` : `${message} [${id}]`;
}

/** Indents further lines of a message, so that they cannot look like lines of the log. */
function continued(text: string): string {
  return text.replaceAll('\n', '\n    ');
}

/** The error's stack, and its other members. */
function errorLines(error: unknown): readonly string[] {
  if (error === undefined) return [];
  if (typeof error !== 'object' || error === null) return [JSON.stringify(error)];
  const stack = stackOf(error);
  if (stack.length === 0) return [JSON.stringify(error)];
  const { type: _type, message: _message, stack: _stack, ...more }: Record<string, unknown> = { ...error };
  return [...stack, ...(Object.keys(more).length === 0 ? [] : [JSON.stringify(more)])];
}

function recordOf(json: string): Record<string, unknown> {
  return JSON.parse(json);
}

/** The user's format. Reads the JSON lines of pino. */
export function formattedLines(formats: LineFormats, target: Target, colors: boolean): DestinationStream {
  const [ofWorker, ofTask] = [
    logFormatter(formats.worker, 'workerLogFormat'),
    logFormatter(formats.task, 'workerTaskLogFormat'),
  ];
  return {
    write(json) {
      const { task_id: id, task_name: name, msg, level, time, err } = recordOf(json);
      const message = String(msg ?? '');
      const taskId = typeof id === 'string' ? id : null;
      // The worker's own messages about a task contain its id.
      const format = taskId !== null && !message.includes(taskId) ? ofTask : ofWorker;
      const text = format({
        time: new Date(String(time)),
        level: String(level),
        message,
        taskId,
        taskName: typeof name === 'string' ? name : null,
      });
      const whole = continued([text, ...stackOf(err)].join('\n'));
      target.write(`${colors ? colored(String(level), whole) : whole}\n`);
    },
  };
}

function stackOf(error: unknown): readonly string[] {
  if (typeof error !== 'object' || error === null) return [];
  const stack: unknown = 'stack' in error ? error.stack : undefined;
  return typeof stack === 'string' ? [stack] : [];
}

/** Celery's colours. */
function colored(level: string, text: string): string {
  const color = colors[level];
  return color === undefined ? text : styleText(color, text, { validateStream: false });
}

const colors: Readonly<Record<string, Color>> = {
  debug: 'blue',
  warn: 'yellow',
  error: 'red',
  fatal: 'magenta',
};
