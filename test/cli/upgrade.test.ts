// `umbel upgrade settings`: a Celery configuration, read without running it.
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { type Converted, convert, moduleOf } from '../../src/cli/upgrade/convert.ts';
import { assignmentsOfEnv } from '../../src/cli/upgrade/environment.ts';
import { assignmentsOf } from '../../src/cli/upgrade/python.ts';

const upgraded = (text: string): Converted => convert(assignmentsOf(text));
const codes = (text: string): Record<string, string> =>
  Object.fromEntries(upgraded(text).settings.map(({ name, code }) => [name, code]));
const missing = (text: string): string[] => upgraded(text).missing.map(({ name, why }) => `${name}: ${why}`);

test('plain values are taken over under our names', () => {
  expect(
    codes(`
broker_url = 'redis://localhost/0'   # a comment
task_always_eager = False
worker_concurrency = 4 * 2
task_time_limit = 60 * (30 - 1)
result_expires = None
include = ["shop.tasks",
           'shop.mails',]
timezone = "Europe" '/Berlin'
`),
  ).toEqual({
    broker: "'redis://localhost/0'",
    taskAlwaysEager: 'false',
    workerConcurrency: '8',
    taskTimeLimit: '1740',
    resultExpires: 'null',
    timezone: "'Europe/Berlin'",
  });
});

test('modules of Python are named, not taken over', () => {
  expect(missing("include = ['shop.tasks']")).toEqual([
    expect.stringMatching(/^include: these are modules of Python/),
  ]);
});

test.each([
  ["CELERY_BROKER_URL = 'redis://h/0'", 'broker'], // Django's namespace
  ["BROKER_URL = 'redis://h/0'", 'broker'], // before version 4
  ["CELERY_RESULT_BACKEND = 'redis://h/0'", 'backend'],
  ['CELERYD_CONCURRENCY = 4', 'workerConcurrency'],
  ['CELERY_TASK_RESULT_EXPIRES = 60', 'resultExpires'],
  ['CELERY_TASK_TIME_LIMIT = 60', 'taskTimeLimit'],
  ['app.conf.worker_concurrency = 4', 'workerConcurrency'],
  ["app.conf['worker_concurrency'] = 4", 'workerConcurrency'],
  ['celery_app.conf.update(worker_concurrency=4, enable_utc=True)', 'workerConcurrency'],
  ["app.conf.update({'worker_concurrency': 4})", 'workerConcurrency'],
  ["app = Celery('shop', broker='redis://h/0')", 'broker'],
])('%s is understood', (text, name) => {
  expect(upgraded(text).settings.map((setting) => setting.name)).toEqual([name]);
});

test('durations, crontabs, queues and environment variables become ours', () => {
  const { settings, imports } = upgraded(`
result_expires = timedelta(hours=2, minutes=5)
result_backend = os.environ.get('RESULTS', 'redis://localhost/1')
task_queues = (Queue('mail', Exchange('media', type='topic'), routing_key='mail.#'),)
task_routes = {'mail.*': {'queue': 'mail', 'routing_key': 'mail.x'}, 'send_mail': 'mail'}
beat_schedule = {'nightly': {'task': 'report', 'schedule': crontab(hour=3, day_of_week='mon'), 'args': (1,)}}
`);
  const code = Object.fromEntries(
    settings.map((setting) => [setting.name, setting.code.replace(/\s+/g, ' ')]),
  );
  expect(code).toEqual({
    resultExpires: '7500',
    backend: "process.env.RESULTS ?? 'redis://localhost/1'",
    taskQueues: "[{ name: 'mail', exchange: { name: 'media', type: 'topic' }, routingKey: 'mail.#' }]",
    taskRoutes: "{ 'mail.*': { queue: 'mail', routingKey: 'mail.x', }, send_mail: 'mail', }",
    beatSchedule:
      "{ nightly: { task: 'report', schedule: crontab({ hour: 3, dayOfWeek: 'mon' }), args: [1], }, }",
  });
  expect(imports).toEqual(['crontab']);
});

test('what has no counterpart is named with the reason and the way out', () => {
  expect(
    missing(`
worker_prefetch_multiplier = 4
accept_content = ['pickle']
task_annotations = {'*': {'rate_limit': '10/s'}}
worker_max_tasks_per_child = 100
worker_state_db = '/var/run/state'
CELERY_NO_SUCH_THING = 1
task_default_queue = queue_for(os.environ)
`),
  ).toEqual([
    expect.stringMatching(/^accept_content: the serializer 'pickle' is not supported/),
    expect.stringMatching(/^task_annotations: .* use the options of the task/),
    expect.stringMatching(/^worker_state_db: /),
    expect.stringMatching(/^CELERY_NO_SUCH_THING: unknown setting/),
    expect.stringMatching(/^task_default_queue: its value has to be run by Python: queue_for\(os\.environ\)/),
  ]);
});

test('what is usual here, and what is no setting of Celery, is left out without a word', () => {
  expect(upgraded('enable_utc = True\nDEBUG = True\nDATABASES = {}\nimport os\nif x:\n    y = 1\n')).toEqual({
    ...{ settings: [], missing: [], imports: [] },
  });
});

test('passwords are not copied', () => {
  const converted = upgraded(`
broker_url = 'redis://:canary-77@h/0'
broker_transport_options = {'sentinel_kwargs': {'password': 'canary-77'}}
result_backend = os.getenv('R', 'redis://:canary-77@h/1')
task_default_queue = 'redis://:canary-77@h' + other
`);
  expect(JSON.stringify(converted) + moduleOf(converted, 'x.py')).not.toContain('canary-77');
  expect(converted.missing[0]?.why).toContain('set UMBEL_BROKER_URL');
});

test('Python that cannot be read is no danger, and hides nothing that can', () => {
  for (const text of [
    "x = '",
    'x = """',
    'x = ((((',
    'x = f"{y}"',
    "x = {'a': lambda: 1}",
    '\\',
    'a = b = 3',
  ])
    expect(codes(`worker_concurrency = 3\n${text}`).workerConcurrency).toBe('3');
  expect(
    codes("worker_concurrency = 3\nworker_concurrency = 5\n'''doc\nworker_concurrency = 7\n'''"),
  ).toMatchObject({
    workerConcurrency: expect.stringMatching(/^[57]$/),
  });
});

test('a .env file is understood, too', () => {
  const { settings } = convert(
    assignmentsOfEnv('# x\nCELERY_BROKER_URL=redis://h/0\nexport CELERY_WORKER_CONCURRENCY="4"\nOTHER=1\n'),
  );
  expect(settings).toEqual([
    { name: 'broker', code: "'redis://h/0'", line: 2 },
    { name: 'workerConcurrency', code: '4', line: 3 },
  ]);
});

test('every command shows help with examples', () => {
  const without: string[] = [];
  const look = (command: ReturnType<typeof createProgram>): void => {
    for (const child of command.commands) {
      let help = '';
      child.configureOutput({ writeOut: (text) => (help += text) });
      child.outputHelp();
      if (!help.includes('Examples:') && child.name() !== 'help') without.push(child.name());
      look(child);
    }
  };
  look(createProgram());
  expect(without).toEqual([]);
});
