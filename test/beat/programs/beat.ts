// A beat of its own, for tests that do bad things to it. Says on standard output when it leads.
import { App } from '../../../src/app/app.ts';
import { Beat } from '../../../src/beat/beat.ts';
import { RunRecorder } from '../../../src/beat/run-recorder.ts';
import type { Logger } from '../../../src/lib/logger.ts';
import { crontab } from '../../../src/schedules/crontab.ts';
import { every } from '../../../src/schedules/every.ts';
import { intervalsMs } from './schedules.ts';

const { BROKER = '', ONLY = '', MISSED = 'all', DIE = '', LEASE = '3' } = process.env;
if (DIE === 'between') {
  // Between the send and the note that it was sent, the process is no more.
  RunRecorder.prototype.record = () => process.kill(process.pid, 'SIGKILL') as never;
}
const app = new App('failover', { broker: BROKER });
app.task('noop', () => null);
for (const [name, ms] of Object.entries(intervalsMs)) {
  if (ONLY !== '' && !ONLY.split(',').includes(name)) continue;
  app.schedule(
    name,
    every(`${ms}ms`),
    // What it carries says when it was due and when it was made, just before it was sent.
    { task: 'noop', args: ({ due }) => [name, due.getTime(), Date.now()] },
    {
      missed: MISSED === 'last' ? 'last' : 'all',
      missedLimit: 1000,
      ...(name.startsWith('quiet') && { ignoreResult: true }),
    },
  );
}
if (ONLY === '') {
  app.schedule('minutely', crontab('* * * * *'), {
    task: 'noop',
    args: ({ due }) => ['minutely', due.getTime(), Date.now()],
  });
}

const say = (fields: object, message: string): void => {
  if (message === 'leading') console.log(`leading ${JSON.stringify(fields)}`);
  else if (message.startsWith('the lead is lost')) console.log(`lost ${message}`);
  else if (message.startsWith('beat ready')) console.log('ready');
  else if (message.startsWith('the clock was set back')) console.log('set back');
};
const tell = (fields: object, message: string): void =>
  console.error(message, 'err' in fields ? String(fields.err) : '');
const logger: Logger = {
  debug: () => {},
  info: say,
  warn: (fields, message) => {
    say(fields, message);
    tell(fields, message);
  },
  error: tell,
  child: () => logger,
};
await new Beat(app, { logger, lease: Number(LEASE) }).run();
await app.close();
