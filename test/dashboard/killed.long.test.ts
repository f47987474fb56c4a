// A dashboard that is killed in the middle of what it does in the background.
import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { openHistoryOf } from '../../src/app/history-work.ts';
import { mergeFacts, type TaskFacts } from '../../src/history/facts.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { type Program, project, shop, start } from '../cli/harness.ts';
import { until } from '../until.ts';

const count = 20_000;
const now = Date.now() / 1_000;

function failed(n: number): TaskFacts {
  const fact = (type: string, clock: number, fields: object = {}): TaskFacts =>
    readTaskEvent({
      ...{ type, uuid: `t${n}`, hostname: 'w@here', utcoffset: 0, pid: 1, clock, timestamp: now + clock },
      ...fields,
    }) ?? expect.fail('no event of a task');
  const umbel = { queue: 'again', priority: 0, args: [n, 1], kwargs: {} };
  return mergeFacts(
    fact('task-received', 1, { name: 'shop.add', args: '…', umbel }),
    fact('task-failed', 2, { exception: 'Error()' }),
  );
}

async function dashboardOf(folder: string): Promise<{ program: Program; url: string }> {
  const words = ['-A', './app.js', 'flower', '--port=0', '--log-format', 'json'];
  const program = start(folder, words);
  await program.said(/"url":"[^"]+"/);
  return { program, url: /"url":"([^"]+)"/.exec(program.stderr)?.[1] ?? '' };
}

it('a job whose preparation a kill interrupts says so, goes on when it is told to, and sends each task once', async () => {
  const folder = project({ 'app.js': shop });
  await using app = new App('shop', { broker: `sqlite://${folder}/.umbel/store.db` });
  const history = await openHistoryOf(app.config);
  await history.merge(
    Array.from({ length: count }, (_, n) => failed(n)),
    { id: 'r', from: 0, until: Date.now() },
  );
  await history.close();
  const killed = await dashboardOf(folder);
  const post = async (url: string, path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api/v1/jobs${path}`, {
      ...{ method: 'POST', headers, body: JSON.stringify(body) },
    });
    const text = await answer.text();
    expect([answer.status, text]).toEqual([202, expect.anything()]);
    return JSON.parse(text);
  };
  const { id } = await post(killed.url, '', { query: 'state:failure', rate: 0 });
  const job = await app.history.retryJob(String(id));
  await until(async () => (await job.status()).total > 0, 'the first tasks of the preparation');
  killed.program.kill('SIGKILL');
  await killed.program.ended;
  const before = await job.status();
  expect(before).toMatchObject({ state: 'planning', pauseReason: 'its process died', sent: 0 });
  expect(before.total).toBeLessThan(count);

  const { url } = await dashboardOf(folder);
  const shown = await (await fetch(`${url}/api/v1/jobs/${id}`)).json();
  expect(shown).toMatchObject({ state: 'planning', pauseReason: 'its process died' });
  expect((await fetch(`${url}/api/v1/jobs/${id}/run`, { method: 'POST' })).status).toBe(409);
  await post(url, `/${id}/prepare`, {});
  await until(async () => (await job.status()).state === 'ready', 'the preparation');
  expect(await job.status()).toMatchObject({ total: count, open: count, refused: 0, pauseReason: '' });
  await post(url, `/${id}/run`, {});
  await until(async () => (await job.status()).state === 'done', 'its end');
  expect(await job.status()).toMatchObject({ sent: count, open: 0, sending: 0, refused: 0 });
  const runs: string[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page = await app.history.list('state:failure', { limit: 1_000, ...(after !== '' && { after }) });
    for (const { retriedAs } of page.tasks) runs.push(...retriedAs);
    after = page.next;
  }
  expect([runs.length, new Set(runs).size]).toEqual([count, count]);
  expect(await (await app.broker()).size('again')).toMatchObject({ ready: count, scheduled: 0 });
}, 300_000);
