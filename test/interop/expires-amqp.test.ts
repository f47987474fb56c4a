// What has `expires` and comes from Python's client: RabbitMQ itself drops it when it has waited for so long.
import { expect, test } from 'vitest';
import { examineCluster, gatherCluster } from '../../src/doctor/cluster.ts';
import { App } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { PythonClient } from './harness/python-client.ts';

needs(test, noRabbit ?? noRedis ?? noPython)(
  'a Python call that expires in its queue vanishes, and ends as REVOKED where the queue has a dead-letter exchange',
  async () => {
    const rabbit = await RabbitServerProcess.shared();
    const vhost = rabbit.vhost();
    const [broker, backend] = [rabbit.url(vhost), (await RedisServerProcess.shared()).url()];
    const where = JSON.stringify({ 'dead-letter-exchange': '', 'dead-letter-routing-key': 'kept.expired' });
    await rabbit.ask('set_policy', '-p', vhost, 'expired', '^kept$', where, '--apply-to', 'queues');
    await using python = new PythonClient({ settings: { broker_url: broker, result_backend: backend } });
    const app = new App('expiring', { broker, backend, taskPublishTimeout: patience.timeout });
    app.task('ts.add', (x: number, y: number) => x + y);
    const workerOf = (queue: string): Worker => new Worker(app, { queues: [queue], name: `${queue}@here` });
    const [expired, lost] = [workerOf('kept.expired'), workerOf('lost')];
    try {
      await expired.start();
      const call = (queue: string, expires: number) => ({
        args: '(2, 3)',
        options: `dict(queue="${queue}", expires=${expires})`,
      });
      const gone = await python.send('ts.add', call('lost', 0.5));
      const revoked = await python.send('ts.add', call('kept', 0.5));
      await expect(app.result(revoked).get(patience)).rejects.toThrow('expired');
      await until(async () =>
        (await rabbit.queues(vhost)).some(({ name, messages }) => name === 'lost' && messages === 0),
      );
      await lost.start();
      const later = await python.send('ts.add', call('lost', 3600));
      expect(await app.result(later).get(patience)).toBe(5);
      expect(await app.result(gone).status()).toBe('PENDING');
      await expect
        .poll(async () =>
          examineCluster(await gatherCluster(app)).map(({ check, what }) => `${check} ${what}`),
        )
        .toContainEqual(expect.stringMatching(/^expiration .*: lost$/));
    } finally {
      await Promise.all([expired.stop(), lost.stop()]);
      await app.close();
    }
  },
);
