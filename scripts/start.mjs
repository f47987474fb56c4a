// The demo in one command, on a fresh clone with nothing but Node: `npm start`, with another port `PORT=8001 npm start`
//
// The script in package.json begins with `exec`: without it the shell between npm and us would keep a SIGTERM for
// itself, and end by the Ctrl-C that we have handled. Where there is no `exec` (Windows), its second half is run.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fail, requireNode, root, setUp } from './setup.mjs';

const app = 'examples/text-statistics/app.ts';
const job = { task: 'text.folder_statistics', input: { folder: 'docs' } };
const post = { method: 'POST', headers: { 'content-type': 'application/json' } };

requireNode();
process.chdir(root);
const port = await freePort(process.env.PORT);
const dashboardPort = await nextFreePort(5555);
const url = `http://127.0.0.1:${port}`;
const dashboard = `http://127.0.0.1:${dashboardPort}`;
await setUp();

let stopping = false;
let stoppedAt = Number.NEGATIVE_INFINITY;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

const command = ['-A', app, 'dev', '--no-beat', '--port', port, '--dashboard-port', dashboardPort].map(
  String,
);
console.log(`Starting worker, gateway and dashboard on the embedded store .umbel/store.db:
  umbel ${command.join(' ')}
`);
const programs = spawn(process.execPath, ['dist/cli/main.js', ...command, '--watch-path', dirname(app)], {
  // A group of its own: a Ctrl-C reaches it through stop() below and not a second time from the terminal, which it
  // would take for the wish to stop at once. The channel tells it when we are gone without having stopped it.
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
});
programs.once('exit', (code, signal) => {
  if (stopping) return;
  console.error(`umbel dev ended by itself (${signal ?? `exit ${code}`}).`);
  process.exitCode = 1;
  stopping = true;
});

try {
  await ready(`${url}/health`);
  await ready(`${dashboard}/healthcheck`);
  await firstJob();
  invite();
} catch (error) {
  if (!stopping) {
    console.error(error instanceof Error ? error.message : error);
    stop();
    process.exitCode = 1;
  }
}

/** The first time: the worker finishes what it runs. Again, later: it gives it back at once. */
function stop() {
  const now = performance.now();
  // npm passes on the Ctrl-C that the terminal has sent us already: twice at once is still once.
  if (now - stoppedAt < 500) return;
  stopping = true;
  stoppedAt = now;
  programs.kill('SIGTERM');
}

/** Waits until the server answers there. The worker may still be starting: what is sent meanwhile waits for it. */
async function ready(address) {
  for (;;) {
    if (stopping) throw new Error('stopped');
    const answer = await fetch(address).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A real job on real input, this repository's own docs, sent as anybody would send it. */
async function firstJob() {
  console.log('\nThe first job: statistics of the texts in docs/');
  const { id } = await json(
    await fetch(`${url}/tasks/${job.task}`, { ...post, body: JSON.stringify(job.input) }),
  );
  for await (const { done, total, file } of progressOf(id)) console.log(`  ${done} of ${total}: ${file}`);
  const { status, result } = await json(await fetch(`${url}/tasks/${id}/result?wait=30`));
  if (status !== 'SUCCESS') throw new Error(`The first job ended as ${status}: ${JSON.stringify(result)}`);
  const terms = result.topTerms.map(({ term, count }) => `${term} ${count}`).join(', ');
  console.log(`Done: ${result.files} files, ${result.words} words, ${result.sentences} sentences`);
  console.log(`Most frequent: ${terms}`);
}

function invite() {
  console.log(`
Ready. Try it:
  curl -X POST ${url}/tasks/${job.task} -H 'content-type: application/json' -d '${JSON.stringify(job.input)}'

  Dashboard ${dashboard}
  Gateway   ${url}
  API docs  ${url}/docs
  Health    ${url}/health

Ctrl-C stops it.`);
}

/** What the task reports while it runs, from the server-sent events of the gateway. */
async function* progressOf(id) {
  const response = await fetch(`${url}/tasks/${id}/events`);
  if (!response.ok) throw new Error(`GET ${response.url}: ${response.status} ${await response.text()}`);
  let event = '';
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    if (line.startsWith('data:') && event === 'progress') yield JSON.parse(line.slice(5)).progress;
  }
}

async function json(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** The port that was asked for, if nobody has it; 0 means any. */
async function freePort(asked) {
  const wanted = asked === undefined || asked === '' ? 8000 : Number(asked);
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535) {
    fail(`PORT=${asked} is no port; give a number from 1 to 65535: PORT=8001 npm start`);
  }
  try {
    return await opened(wanted);
  } catch (error) {
    const why = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${error.code})`;
    return fail(`Port ${wanted} ${why}. Choose another one: PORT=${wanted + 1} npm start`);
  }
}

/** This port, or the first free one of the hundred after it; else any. */
async function nextFreePort(first) {
  for (let wanted = first; wanted <= first + 100; wanted++) {
    if (wanted === port) continue;
    try {
      return await opened(wanted);
    } catch {} // somebody has it
  }
  return opened(0);
}

/** Opens the port and closes it again. */
function opened(wanted) {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(wanted, '127.0.0.1', () => {
      const { port: found } = probe.address();
      probe.close(() => resolve(found));
    });
  });
}
