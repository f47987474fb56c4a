// The log as Celery's settings worker_log_format and worker_task_log_format want it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { plainLines } from '../../src/cli/log-lines.ts';
import { createLogger, logFormOf } from '../../src/cli/logging.ts';
import { resolveConfig } from '../../src/config/config.ts';
import { localTime, logFormatter } from '../../src/lib/log-format.ts';
import { needs } from '../needs.ts';
import { noPython, python } from '../protocol/python.ts';

const formats = [
  '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s',
  '%(levelname)-10s|%(levelname)10s|%(levelno)04d|%(levelno)s|%(message).4s|100%%',
  '%(msecs)03d %(created)f %(created).1f %(created)d %(process)d',
  'no field',
];

needs(test, noPython)('a format makes the lines that Python makes of it', () => {
  const time = new Date(2026, 10, 22, 3, 4, 5, 67);
  const values = {
    asctime: '2026-11-22 03:04:05,067',
    levelname: 'WARNING',
    levelno: 30,
    processName: 'MainProcess',
    process: process.pid,
    message: 'it is late',
    msecs: 67,
    created: time.getTime() / 1000,
  };
  const program =
    'import json, sys\nf, v = json.loads(sys.argv[1])\nprint(json.dumps([each % v for each in f]))';
  const said = execFileSync(python, ['-c', program, JSON.stringify([formats, values])], { encoding: 'utf8' });
  const record = { time, level: 'warn', message: 'it is late', taskId: null, taskName: null };
  expect(formats.map((format) => logFormatter(format, 'it')(record))).toEqual(JSON.parse(said));
});

test('a log has a format for the worker and one for tasks, and no line forges another', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'log');
  // It looks now and then whether the file is still there.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const looks = logFormOf(
    { loglevel: 'info', logfile: file },
    resolveConfig({ broker: 'memory://', worker_log_format: '%(levelname)s %(message)s' }),
  );
  expect(looks.format).toBe('pretty'); // though it is no terminal
  const log = await createLogger({ ...looks, level: 'info', file });
  log.info({}, 'celery@here ready');
  log.info({ task_id: 'a-1', task_name: 'shop.add' }, 'Task shop.add[a-1] received');
  log.warn({ task_id: 'a-1', task_name: 'shop.add' }, 'the shop\nINFO is closed');
  log.error({ err: new RangeError('no good') }, 'failed: redis://:secret@host');
  const [ready, received, said, rest, failed, reason, frame] = readFileSync(file, 'utf8').split('\n');
  expect([ready, received]).toEqual(['INFO celery@here ready', 'INFO Task shop.add[a-1] received']);
  expect(said).toMatch(
    /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: WARNING\/MainProcess\] shop\.add\[a-1\]: the shop$/,
  );
  expect(rest).toBe('    INFO is closed');
  expect(failed).toMatch(/^ERROR failed: redis:\/\/(?!.*secret)/);
  expect([reason, frame]).toEqual(['    RangeError: no good', expect.stringMatching(/^ {8}at /)]);
});

test('the command line goes before the settings', () => {
  const settings = resolveConfig({
    broker: 'memory://',
    workerLogFormat: '%(message)s',
    workerLogColor: false,
  });
  expect(logFormOf({ loglevel: 'info', logFormat: 'json' }, settings)).toMatchObject({
    format: 'json',
    color: false,
  });
  const celerys = { worker_log_format: '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s' };
  const plain = resolveConfig({ broker: 'memory://', ...celerys });
  expect(logFormOf({ loglevel: 'info', color: false }, plain)).toMatchObject({ lines: null, color: false });
});

test('lines of our own say time, level, task, fields and the stack of an error', () => {
  const said: string[] = [];
  const write = (colors: boolean, ...records: object[]): void => {
    const lines = plainLines({ write: (text) => said.push(text) }, colors);
    for (const record of records)
      lines.write(JSON.stringify({ time: '2026-11-22T12:00:00.123Z', ...record }));
  };
  const stack = 'RangeError: no\n    at f (file:1:2)';
  write(
    false,
    { level: 'info', queue: 'celery', n: 3, node: 'celery@here', msg: 'ready' },
    { level: 'warn', task_id: 'a-1', task_name: 'shop.add', msg: 'the shop\nis closed' },
    { level: 'info', task_id: 'a-1', task_name: 'shop.add', msg: 'Task shop.add[a-1] received' },
    { level: 'error', msg: 'failed', err: { type: 'RangeError', message: 'no', stack, code: 'E_X' } },
    { level: 'error', msg: 'failed', err: 'no error' },
  );
  const time = `[${localTime(new Date('2026-11-22T12:00:00.123Z'))}]`;
  expect(said.join('')).toBe(`${time} INFO: ready {"queue":"celery","n":3}
${time} WARN: shop.add[a-1]: the shop
    is closed
${time} INFO: Task shop.add[a-1] received
${time} ERROR: failed
    RangeError: no
        at f (file:1:2)
    {"code":"E_X"}
${time} ERROR: failed
    "no error"
`);
  said.length = 0;
  write(true, { level: 'info', msg: 'ready' });
  expect(said).toEqual([`${time} \x1b[32mINFO\x1b[39m: \x1b[36mready\x1b[39m\n`]);
});
