// RabbitMQ does not tell who is registered: the end of a registration there. The embedded store's is in test/cli/tasks.test.ts.
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { unregister } from '../../src/recorder/unregister.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { newStore } from '../worker/bench.ts';
import { MemoryLog } from '../worker/memory-log.ts';

needs(test, noRabbit)(
  'a registration on RabbitMQ ends with what waits for it, and only if there is one',
  async () => {
    await using server = await RabbitServerProcess.shared();
    const app = new App('shop', {
      broker: server.url(server.vhost()),
      backend: await newStore('sqlite'),
      historyStore: await newStore('sqlite'),
    });
    onTestFinished(() => app.close());
    const log = new MemoryLog();
    const recorder = new Recorder(app, { logger: log });
    await recorder.start();
    await recorder.stop();
    const id = log.lines.flatMap(({ fields }) => fields.registered ?? [])[0];
    const stream = await (await app.broker()).openHistoryStream?.({ limit: null });
    onTestFinished(() => stream?.close());
    expect(await stream?.registered()).toBe(true);
    await expect(unregister(app, 'other')).rejects.toThrow("no recorder is registered as 'other'");
    await unregister(app, String(id));
    expect(await stream?.registered()).toBe(false);
    await expect(unregister(app, String(id))).rejects.toThrow('no recorder is registered');
    const [entry] = await app.audit.list();
    expect(entry).toMatchObject({ action: 'recorder.unregister', target: id });
    expect(await app.audit.list()).toHaveLength(1);
  },
);
