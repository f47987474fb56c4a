// A worker that has lost its lease while it ends a chord has nothing more to say.
import { expect, it } from 'vitest';
import { App, chord } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { MemoryConsumer } from '../../src/stores/memory/memory-transport.ts';
import { Worker } from '../../src/worker/worker.ts';

it('a member that completes its chord and has lost its lease records no result; who runs it again does', async () => {
  const url = `memory://${crypto.randomUUID()}`;
  const ran: string[] = [];
  const appOf = (name: string) => {
    const app = new App('fence', { broker: url, backend: url });
    const member = app.task('member', () => {
      ran.push(name);
      return name;
    });
    const body = app.task('body', (values: readonly string[]) => values.length);
    return { app, member, body };
  };
  const [sender, late, next] = ['sender', 'late', 'next'].map(appOf);
  if (sender === undefined || late === undefined || next === undefined) throw new Error('three of them');
  const { transport, backend } = await late.app.open();
  const chords = backend?.chords;
  if (chords === undefined || backend === null) throw new Error('no chords');

  let consumer: MemoryConsumer | undefined;
  const consume = transport.consume.bind(transport);
  transport.consume = async (options) => {
    const opened = await consume(options);
    if (opened instanceof MemoryConsumer) consumer = opened;
    return opened;
  };
  const first = new Worker(late.app, { concurrency: 1, logger: silentLogger });
  const parts = chords.parts.bind(chords);
  let stopping: Promise<void> | null = null;
  chords.parts = async (groupId) => {
    await expect.poll(async () => (await backend.get('one'))?.status).toBe('SUCCESS');
    stopping ??= first.stop();
    consumer?.die(); // what it holds is another's from here on
    void consumer?.close(); // and it claims nothing more
    return parts(groupId);
  };
  await first.start();
  const members = [sender.member.s().set({ taskId: 'one' }), sender.member.s().set({ taskId: 'two' })];
  const result = await chord(members, sender.body.s().set({ taskId: 'body' })).delay();
  await expect.poll(() => stopping).not.toBeNull();
  await stopping;
  const told = await Promise.all(['two', 'body'].map((id) => backend.get(id)));
  expect(told.map((record) => record?.dateDone ?? null)).toEqual([null, null]);

  const second = new Worker(next.app, { concurrency: 1, logger: silentLogger });
  await second.start();
  expect(await result.get({ timeout: 50 })).toBe(2);
  expect(ran).toEqual(['late', 'late', 'next']);
  expect((await backend.get('two'))?.result).toBe('next');
  await second.stop();
  for (const { app } of [sender, late, next]) await app.close();
});
