// What `umbel upgrade settings` writes is TypeScript that compiles against our types.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { project, umbel } from './harness.ts';

const python = `
import os
from datetime import timedelta
from celery.schedules import crontab
from kombu import Exchange, Queue
from kombu.common import Broadcast

broker_url = 'redis://localhost:6379/0'
result_backend = os.environ.get('RESULTS', 'redis://localhost:6379/1')
broker_connection_retry_on_startup = True
broker_transport_options = {'visibility_timeout': 3600, 'global_keyprefix': 'shop-'}
broker_pool_limit = 10
broker_heartbeat = 30
accept_content = ['json', 'msgpack']
task_serializer = 'json'
result_serializer = 'json'
result_expires = timedelta(days=1)
result_extended = True
result_compression = 'gzip'
task_compression = 'gzip'
task_default_queue = 'celery'
task_default_exchange = 'celery'
task_default_routing_key = 'celery'
task_default_priority = 5
task_queue_max_priority = 10
task_create_missing_queues = True
task_queues = (
    Queue('celery'),
    Queue('mail', Exchange('media', type='topic'), routing_key='mail.#'),
    Broadcast('everyone'),
)
task_routes = {
    'shop.mail': {'queue': 'mail', 'routing_key': 'mail.now'},
    'images.*': {'queue': 'images', 'priority': 3},
    'plain': 'celery',
}
task_annotations = {'*': {'rate_limit': '10/s'}, 'shop.mail': {'max_retries': 3}}
task_always_eager = False
task_eager_propagates = True
task_ignore_result = False
task_store_errors_even_if_ignored = True
task_track_started = True
task_time_limit = 5 * 60
task_soft_time_limit = 60 * 4
task_acks_late = True
task_acks_on_failure_or_timeout = True
task_reject_on_worker_lost = True
task_default_rate_limit = '100/m'
task_send_sent_event = True
task_publish_retry = True
task_publish_retry_policy = {'max_retries': 3, 'interval_start': 0, 'interval_step': 0.2, 'interval_max': 0.2}
task_protocol = 2
task_remote_tracebacks = True
worker_concurrency = 4 * 2
worker_prefetch_multiplier = 4
worker_max_tasks_per_child = 1000
worker_max_memory_per_child = 200_000
worker_send_task_events = True
worker_enable_remote_control = True
worker_disable_rate_limits = False
worker_pool = 'prefork'
worker_hijack_root_logger = False
worker_soft_shutdown_timeout = 10
event_queue_ttl = 5
event_queue_prefix = 'celeryev'
beat_schedule = {
    'nightly': {'task': 'shop.report', 'schedule': crontab(minute=0, hour=3, day_of_week='mon-fri'), 'args': (1, 'a')},
    'often': {'task': 'shop.ping', 'schedule': 30.0, 'kwargs': {'deep': True}, 'options': {'queue': 'mail', 'expires': 15}},
    'hourly': {'task': 'shop.sum', 'schedule': timedelta(hours=1)},
}
beat_max_loop_interval = 5
timezone = 'Europe/Berlin'
enable_utc = True
include = ['shop.tasks', 'shop.mails']
imports = ('shop.more',)
redis_max_connections = 20
redis_socket_timeout = 30.0
security_key = None
`;

test('the settings of a big Celery configuration compile', async () => {
  const folder = project({ 'celeryconfig.py': python });
  const { code, stdout } = await umbel(folder, [
    'upgrade',
    'settings',
    'celeryconfig.py',
    '-o',
    'settings.ts',
  ]);
  expect(code).toBe(0);
  expect(Number(/Wrote (\d+) settings/.exec(stdout)?.[1])).toBeGreaterThan(25);
  writeFileSync(
    join(folder, 'app.ts'),
    `import { App } from 'umbel';\nimport { settings } from './settings.ts';\nexport const app = new App('shop', settings);\n`,
  );
  const compilerOptions = {
    ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2023', skipLibCheck: true },
    ...{ exactOptionalPropertyTypes: true, allowImportingTsExtensions: true, types: [], lib: ['es2023'] },
  };
  writeFileSync(
    join(folder, 'env.d.ts'),
    'declare const process: { env: Record<string, string | undefined> };',
  );
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  let said = '';
  try {
    execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    said = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
  }
  expect(said).toBe('');
  // And the App takes them.
  const { stderr, code: reported } = await umbel(folder, ['-A', './app.ts', 'report', '--json']);
  expect([reported, stderr]).toEqual([0, '']);
});
