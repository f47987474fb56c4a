// Log lines for people: our own, or in the format that Celery's settings worker_log_format and worker_task_log_format say.
import { styleText } from 'node:util';
import type { DestinationStream } from 'pino';
import type { Config } from '../config/config.ts';
import { celeryLogFormat, celeryTaskLogFormat, localTime, logFormatter } from '../lib/log-format.ts';

export interface LineFormats {
  /** Of the worker itself. */
  readonly worker: string;
  /** Of what a task's code logs. */
  readonly task: string;
}

/** Null: none is set. One that is not set beside one that is, is Celery's. */
export function lineFormatsOf({ workerLogFormat, workerTaskLogFormat }: Config): LineFormats | null {
  if (workerLogFormat === null && workerTaskLogFormat === null) return null;
  return { worker: workerLogFormat ?? celeryLogFormat, task: workerTaskLogFormat ?? celeryTaskLogFormat };
}

/** Where lines go. */
interface Target {
  write(text: string): unknown;
}

/** Our own lines: time, level, what is said, and the fields that it does not say. Takes lines of JSON, as pino writes them. */
export function plainLines(target: Target, colors: boolean): DestinationStream {
  const paint = (color: Color, text: string): string =>
    colors ? styleText(color, text, { validateStream: false }) : text;
  return {
    write(json) {
      // The worker's sentences say `node` and `runtime` already.
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

/** What a task logs gets its task in front, as in Celery. A beat's line has an id, and is of no task itself. */
function withTask(message: string, id: unknown, name: unknown): string {
  if (typeof id !== 'string' || message.includes(id)) return message;
  return typeof name === 'string' ? `${name}[${id}]: ${message}` : `${message} [${id}]`;
}

/** What looks like a line of the log begins further in. */
function continued(text: string): string {
  return text.replaceAll('\n', '\n    ');
}

/** The stack, and what the error says besides. */
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

/** In the format of the user's. Takes lines of JSON, as pino writes them. */
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
      // The worker's own sentences about a task name it.
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
