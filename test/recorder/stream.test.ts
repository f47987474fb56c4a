import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { Recorder, type RecorderOptions } from '../../src/recorder/recorder.ts';
import { ofEvents } from '../../src/sending/history-writer.ts';
import type { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { MemoryLog } from '../worker/memory-log.ts';

async function recording(app: App, options: RecorderOptions = {}): Promise<Recorder> {
  const recorder = new Recorder(app, options);
  onTestFinished(() => recorder.stop());
  await recorder.start();
  return recorder;
}

/** Waits until the history has this number of ended tasks. */
async function ended(app: App, recorder: Recorder, count: number): Promise<void> {
  await until(async () => {
    await recorder.flush();
    return (await app.history.list('ended:*', { limit: 1000 })).tasks.length === count;
  }, `${count} tasks to have ended`);
}

describe('the history stream', () => {
  it('shows a task that runs long before it ends', async () => {
    const app = await newApp('sqlite');
    let end: (() => void) | undefined;
    const slow = app.task('slow', () => new Promise<void>((done) => (end = done)));
    const recorder = await recording(app);
    await startWorker(app);
    const result = await slow.delay();
    await until(async () => {
      await recorder.flush();
      return (await app.history.get(result.id))?.state === 'STARTED';
    }, 'the task to be shown as running');
    end?.();
    await ended(app, recorder, 1);
  });

  it('is read again by the next recorder, without doubling, if one dies after it wrote and before it acknowledged', async () => {
    const app = await newApp('sqlite');
    const add = app.task('add', (a: number) => a);
    const transport = await app.broker();
    const open = transport.openHistoryStream?.bind(transport);
    if (open === undefined) throw new TypeError('the embedded store keeps a stream');
    // Its acknowledgements never arrive.
    const dying: typeof open = async (options) => {
      const stream = await open(options);
      return {
        registered: () => stream.registered(),
        append: (entries) => stream.append(entries),
        status: () => stream.status(),
        close: () => stream.close(),
        register: async (id) => {
          const reader = await stream.register(id);
          const read: typeof reader.read = async (limit) => ({
            ...(await reader.read(limit)),
            acknowledge: () => Promise.reject(new Error('killed')),
          });
          return { ...reader, read };
        },
      };
    };
    Object.assign(transport, { openHistoryStream: dying });
    const log = new MemoryLog();
    const first = await recording(app, { logger: log });
    Object.assign(transport, { openHistoryStream: open });
    await startWorker(app, { taskEvents: true }); // it hears the same by events
    const results = await Promise.all([1, 2, 3].map((n) => add.delay(n)));
    for (const result of results) await result.get(patience);
    await until(async () => {
      await first.flush();
      return (await app.history.list('ended:*')).tasks.length === 3;
    }, 'the first to have written');
    expect((await (await open({ limit: null })).status())?.waiting).toBeGreaterThan(0);
    const second = await recording(app);
    await until(async () => {
      await second.flush();
      return (await (await open({ limit: null })).status())?.waiting === 0;
    }, 'the second to have read all');
    const { tasks } = await app.history.list('');
    expect(tasks.map(({ id, state, attempts }) => [id, state, attempts.length]).sort()).toEqual(
      results.map(({ id }) => [id, 'SUCCESS', 1]).sort(),
    );
  });

  it('is written by workers that run already when the first recorder comes, and never if the setting is off', async () => {
    const app = await newApp('sqlite');
    const add = app.task('add', (a: number) => a);
    await startWorker(app);
    await (await add.delay(1)).get(patience);
    const { store } = await app.broker();
    const tables = (): unknown[] =>
      (store as SqliteStore).read((sql) =>
        sql("SELECT name FROM sqlite_schema WHERE name LIKE 'history%'").all(),
      );
    expect(tables()).toEqual([]); // it cost nothing
    const recorder = await recording(app);
    await until(() => app.stores?.history?.on === true, 'the worker to have heard of the recorder');
    const { id } = await add.delay(2);
    await ended(app, recorder, 1);
    expect((await app.history.get(id))?.state).toBe('SUCCESS');
    const silent = await newApp('sqlite', { taskHistory: 'off' });
    expect((await silent.open()).history).toBeNull();
  });

  it('shows a gap, and says how much is missing, when it was full', async () => {
    const app = await newApp('sqlite', { taskHistoryLimit: 1_000 });
    const first = await recording(app);
    await first.stop();
    const { history } = await app.open();
    const at = Date.now() / 1000 + 60;
    for (let index = 0; index < 3_000; index++)
      history?.append(
        ofEvents(
          JSON.stringify({
            type: 'task-sent',
            uuid: `t${index}`,
            hostname: 'me',
            timestamp: at + index,
            clock: index,
          }),
        ),
      );
    await history?.flush();
    const log = new MemoryLog();
    const recorder = await recording(app, { logger: log });
    await recorder.flush();
    const status = await app.history.status();
    expect(status.tasks).toBeGreaterThanOrEqual(1_000);
    expect(status.tasks).toBeLessThan(1_300);
    expect(status.gaps).toEqual([{ from: expect.any(Number), until: 1000 * (at + 3_000 - status.tasks) }]);
    expect(log.texts('warn').join('\n')).toContain(`${3_000 - status.tasks} entries`);
  });
});
