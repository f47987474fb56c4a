// Each program is killed again and again while people make tasks. No reminder may be lost, none may be sent that nobody is to get, and
// a second copy only by the one way that no program can close: it has the same Message-ID, so that a mailbox shows one. No export that is
// listed, and no bulk update that was answered, may wait for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, inHours, type Program, Tracker, until } from './harness.ts';

const rounds = Number(process.env.TRACKER_ROUNDS ?? 3);
let state = Number(process.env.TRACKER_SEED ?? 1);
/** Of 0 to `below`, always the same for a seed. */
const random = (below: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return state % below;
};

test(`after ${rounds} rounds of kill -9 each task that was made has its reminder`, async () => {
  await using tracker = await Tracker.start('web', 'worker', 'beat');
  const client = new Client(() => tracker.url);
  await client.register();
  const made: string[] = [];
  const bulks: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    let going = true;
    const people = [0, 1, 2].map(async (person) => {
      for (let n = 0; going; n++) {
        const title = `r${round}p${person}n${n}!`;
        const answer = await client
          .ask('POST', '/tasks', { title, deadline: inHours(3) })
          .catch(() => undefined);
        if (answer?.status === 201) made.push(title);
        await sleep(random(20));
      }
    });
    const jobs = [0, 1, 2].map(async () => {
      await sleep(random(800));
      await client.ask('POST', '/tasks/export').catch(() => undefined);
      const request = { task_ids: [1, 2, 3], update_data: { priority: 'high' } };
      const answer = await client.ask('POST', '/tasks/bulk-update', request).catch(() => undefined);
      if (answer?.status === 202) bulks.push(answer.body.task_id);
    });
    for (const program of (['web', 'worker', 'beat'] satisfies Program[]).filter(() => random(3) > 0)) {
      await sleep(random(400));
      await tracker.kill(program);
      await tracker.start(program);
    }
    going = false;
    await Promise.all([...people, ...jobs]);
  }
  const subjects = () => [...tracker.catcher.mails.values()].map(({ subject }) => subject);
  const missing = (): string[] => {
    const got = new Set(subjects());
    return made.filter((title) => !got.has(`Due soon: ${title}`));
  };
  await until(
    () => missing().length === 0,
    () => `${missing().slice(0, 5)}; said:\n${tracker.said.slice(-2000)}`,
  );
  assert.ok(made.length > 0);
  const waiting = async (): Promise<readonly string[]> => {
    const { body: exports } = await client.ask('GET', '/tasks/exports');
    const bulk = bulks.map(async (id) => (await client.ask('GET', `/tasks/bulk-update/${id}`)).body);
    const open = (await Promise.all(bulk)).filter(({ done, total }) => done < total);
    const undone = exports.filter(({ status }: { readonly status: string }) => status !== 'SUCCESS');
    return [...undone, ...open].map(({ task_id }) => task_id);
  };
  let left: readonly string[] = [];
  await until(
    async () => {
      left = await waiting();
      return left.length === 0;
    },
    () => `exports and bulk updates ${left}; said:\n${tracker.said.slice(-2000)}`,
  );
  const ours = subjects().filter((subject) => subject.endsWith('!'));
  assert.equal(ours.length, new Set(ours).size, 'two reminders of one task');
  const copies = [...tracker.catcher.mails.values()].reduce((sum, mail) => sum + mail.copies - 1, 0);
  console.log(
    `${made.length} tasks made, ${ours.length} reminders, ${copies} of them came twice with one Message-ID`,
  );
});
