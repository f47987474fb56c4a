// Log lines in a format of the user's: what Celery's settings worker_log_format and worker_task_log_format say.
import { styleText } from 'node:util';
import type { DestinationStream } from 'pino';
import type { Config } from '../config/config.ts';
import { celeryLogFormat, celeryTaskLogFormat, logFormatter } from '../lib/log-format.ts';

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

/** Takes lines of JSON, as pino writes them. */
export function formattedLines(
  formats: LineFormats,
  target: { write(text: string): unknown },
  colors: boolean,
): DestinationStream {
  const [ofWorker, ofTask] = [
    logFormatter(formats.worker, 'workerLogFormat'),
    logFormatter(formats.task, 'workerTaskLogFormat'),
  ];
  return {
    write(json) {
      const line: Record<string, unknown> = JSON.parse(json);
      const { task_id: id, task_name: name, msg, level, time, err } = line;
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
      // What looks like a line of the log begins further in.
      const whole = [text, ...stackOf(err)].join('\n').replaceAll('\n', '\n    ');
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

const colors: Readonly<Record<string, 'blue' | 'yellow' | 'red' | 'magenta'>> = {
  debug: 'blue',
  warn: 'yellow',
  error: 'red',
  fatal: 'magenta',
};
