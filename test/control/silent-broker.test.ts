// A broker that takes connections and says nothing, as one that is stopped by SIGSTOP: whoever asks workers is told so in time.
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Control } from '../../src/control/control.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

const hour = 3600;

/** The port of a server that says nothing. */
async function silentPort(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test.concurrent.each([
  ['redis', { brokerTransportOptions: { socketConnectTimeout: hour } }],
  ['amqp', { brokerConnectionTimeout: hour }],
])('a server of %s that says nothing: an inspection and a ping fail in time, whatever its driver would wait', async (scheme, options) => {
  const broker = `${scheme}://127.0.0.1:${await silentPort()}/`;
  const app = new App('silent', { broker, backend: null, ...options });
  const control = new Control(app);
  const away = new BrokerUnavailable('the broker has not answered within 3 s');
  await Promise.all([
    expect(control.inspect({ timeout: 0.1 }).ping()).rejects.toThrow(away),
    expect(control.ping({ timeout: 0.1 })).rejects.toThrow(away),
  ]);
  await control.close();
  await app.close();
});

const servers = [
  ['Redis', noRedis, RedisServerProcess],
  ['RabbitMQ', noRabbit, RabbitServerProcess],
] as const;
for (const [name, missing, Server] of servers)
  needs(test, missing)(`a ${name} that falls silent after it was asked before`, async () => {
    await using server = await Server.start();
    const app = new App('frozen', { broker: server.url(), backend: null });
    const control = new Control(app);
    expect((await control.ping({ timeout: 0.1 })).replies.size).toBe(0);
    const away = 'the broker has not answered within 3 s';
    server.signal('SIGSTOP');
    try {
      await expect(control.ping({ timeout: 0.1 })).rejects.toThrow(away);
      await expect(control.inspect({ timeout: 0.1 }).ping()).rejects.toThrow(away);
    } finally {
      server.signal('SIGCONT');
    }
    await control.close();
    await app.close();
  });
