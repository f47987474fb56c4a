// Debian's Prometheus scrapes a worker, a beat, a recorder and a dashboard, and answers the queries of our Grafana board, of our alerts, and of the boards
// that are made for celery-exporter.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Beat } from '../../src/beat/beat.ts';
import { createDashboard } from '../../src/dashboard/server/dashboard.ts';
import { HttpServer } from '../../src/http/http-server.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { every } from '../../src/schedules/every.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs, noProgram } from '../needs.ts';
import { freePort } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newApp, newFolder } from '../worker/bench.ts';

const docs = join(import.meta.dirname, '../../docs/prometheus');
const missing = noProgram('prometheus', '--version', 'prometheus');

interface Board {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

type Ask = <Data>(path: string) => Promise<{ readonly data: Data }>;

/** What the boards for celery-exporter ask for. */
const ofExporter = [
  'count(celery_worker_up == 1)',
  'sum(celery_worker_tasks_active)',
  'sum(celery_queue_length) by (queue_name)',
  'sum(celery_active_process_count{queue_name="celery"})',
  'celery_active_consumer_count',
  ...['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected'].map(
    (state) => `sum(rate(celery_task_${state}_total{queue_name="celery"}[1m])) by (queue_name)`,
  ),
  'sum(rate(celery_task_succeeded_total[1m])) / (sum(rate(celery_task_succeeded_total[1m])) + sum(rate(celery_task_failed_total[1m])))',
  'sum(celery_task_failed_total{exception!=""}) by (name, exception)',
  'histogram_quantile(0.95, sum(rate(celery_task_runtime_bucket[1m])) by (le, name))',
  'histogram_quantile(0.95, sum(rate(celery_task_queue_wait_time_bucket[1m])) by (le))',
];

needs(test, missing)(
  'every query of the board, of the alerts and of boards for celery-exporter has an answer',
  async () => {
    const app = await newApp('sqlite', { taskSendSentEvent: true });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const fail = app.task('shop.fail', { bind: true, maxRetries: 1 }, (task) => {
      if (task.request.retries === 0) throw task.retry(new Error('busy'), { countdown: 0 });
      throw new TypeError('no good');
    });
    await using dashboard = createDashboard(app, { insecure: true });
    await using worker = new Worker(app, { health: { port: 0 }, taskEvents: true });
    await worker.start();
    app.schedule('often', every(0.2), add, { args: [1, 1] });
    await using beat = new Beat(app, { health: { port: 0 } });
    await beat.start();
    await using recorder = new Recorder(app, { health: { port: 0 } });
    await recorder.start();
    const server = { host: '127.0.0.1', port: 0, maxConnections: 10 };
    await using http = new HttpServer((request) => dashboard.fetch(request), server);
    await http.start();
    const ask = await startPrometheus({
      'umbel-workers': `127.0.0.1:${worker.healthPort}`,
      'umbel-beat': `127.0.0.1:${beat.healthPort}`,
      'umbel-recorder': `127.0.0.1:${recorder.healthPort}`,
      'umbel-dashboard': new URL(http.url).host,
    });

    const board = JSON.parse(readFileSync(join(docs, 'grafana.json'), 'utf8')) as Board; // our own file
    const ofBoard = board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(ofBoard.length).toBeGreaterThan(15);
    const unanswered = new Set(
      [...ofBoard, ...ofExporter].map((query) =>
        query.replaceAll('$__rate_interval', '1m').replaceAll('$queue', '.*'),
      ),
    );
    // Only after a crash there is a value.
    for (const query of unanswered) if (query.includes('after_crash')) unanswered.delete(query);
    // A rate needs a count that grows between two scrapes.
    await until(
      async () => {
        await (await add.delay(2, 3)).get(patience);
        await (await fail.delay()).get({ ...patience, propagate: false }).catch(() => undefined);
        for (const query of unanswered) {
          const { data } = await ask<{ result: unknown[] }>(`query?query=${encodeURIComponent(query)}`);
          if (data.result.length > 0) unanswered.delete(query);
        }
        return unanswered.size === 0;
      },
      () => `answers to ${[...unanswered].join(' and ')}`,
    );

    type Rules = { groups: readonly { rules: readonly { name: string; query: string; health: string }[] }[] };
    const rules = async () => (await ask<Rules>('rules')).data.groups.flatMap((group) => group.rules);
    await until(
      async () => (await rules()).every(({ health }) => health !== 'unknown'),
      'the rules to be tried',
    );
    const named = (await ask<readonly string[]>('label/__name__/values')).data;
    for (const { name, query, health } of await rules()) {
      expect([name, health]).toEqual([name, 'ok']);
      for (const metric of query.match(/\b(?:umbel|celery)_\w+/g) ?? [])
        if (!metric.includes('after_crash')) expect(named).toContain(metric);
    }
  },
);

/** Starts Prometheus with our alerts. Returns its API. */
async function startPrometheus(targets: Readonly<Record<string, string>>): Promise<Ask> {
  const folder = await newFolder();
  const port = await freePort();
  const jobs = Object.entries(targets).map(([name, target]) => ({
    job_name: name,
    static_configs: [{ targets: [target] }],
  }));
  const config = {
    global: { scrape_interval: '300ms', scrape_timeout: '300ms', evaluation_interval: '300ms' },
    rule_files: [join(docs, 'alerts.yml')],
    scrape_configs: jobs,
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config)); // JSON is YAML
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await until(() => child.signalCode !== null || child.exitCode !== null, 'the end of Prometheus');
  });
  const root = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(`${root}/-/ready`).then(
        ({ ok }) => ok,
        () => child.exitCode !== null,
      ),
    'Prometheus to be ready',
  );
  expect(child.exitCode).toBeNull();
  return async <Data>(path: string) => {
    const response = await fetch(`${root}/api/v1/${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text) as { readonly data: Data }; // as Prometheus documents it
  };
}
