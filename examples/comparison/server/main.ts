// The page, its API, and the programs of the three ways. With --report: measures once, prints the table, and ends.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { findBrokers } from './brokers.ts';
import { markdown } from './report.ts';
import { settings } from './settings.ts';

const reporting = process.argv.includes('--report');
const brokers = await findBrokers();
for (const note of brokers.notes) console.log(note);

// Not before: the App reads its broker from the environment, which findBrokers has just completed.
const { Comparison } = await import('./comparison.ts');
const { createApi } = await import('./api.ts');

let apiUrl = '';
const say = (line: string) => (reporting ? console.error(line) : console.log(line));
const comparison = await Comparison.open(brokers, () => apiUrl, say);
const dashboard = reporting || settings.DASHBOARD_URL !== undefined ? null : await openDashboard();
const dashboardUrl = settings.DASHBOARD_URL ?? dashboard?.url ?? null;
const web = new Hono({ strict: false }); // consumers post with a slash at the end
if (!reporting) web.route('/', await (await import('./pages.ts')).createPages());
web.route('/', createApi(comparison, dashboardUrl));
web.notFound((context) => context.json({ detail: `there is no ${context.req.path}` }, 404));
const server = serve({ fetch: web.fetch, port: reporting ? 0 : settings.PORT, hostname: settings.HOST }, run);

async function run({ port }: { readonly port: number }): Promise<void> {
  const url = `http://${settings.HOST}:${port}`;
  apiUrl = `${url}/update_task_status_api/`;
  if (reporting) return report();
  for (const way of ['task', 'message', 'call'] as const)
    if (comparison.has(way)) comparison.programs.scale(way, 1);
  console.log(`
  Page       ${url}
  Dashboard  ${dashboardUrl}

Ctrl-C stops it.`);
}

async function report(): Promise<void> {
  const { measure } = await import('./measure.ts');
  try {
    const measured = await measure(comparison, (line) => console.error(line));
    const text = markdown(measured);
    console.log(`\n${text}`);
    writeFileSync(join(settings.DATA, 'report.md'), text);
    writeFileSync(join(settings.DATA, 'report.json'), JSON.stringify(measured));
    console.log(`Written to ${join(settings.DATA, 'report.md')}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
  await stop();
}

async function openDashboard() {
  const [{ Dashboard }, { app }] = await Promise.all([
    import('umbel/dashboard'),
    import('../ways/task/app.ts'),
  ]);
  const opened = new Dashboard(app, { port: settings.DASHBOARD_PORT });
  await opened.start();
  return opened;
}

let stopping: Promise<void> | undefined;
function stop(): Promise<void> {
  stopping ??= (async () => {
    await dashboard?.stop();
    await comparison.close(); // consumers still post what they finish
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    if (process.connected) process.disconnect();
  })();
  return stopping;
}
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.on(signal, () => void stop());
