// Properties that a sender has set beside what Celery does. RabbitMQ takes a message that names its user from a connection of that user only.
import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { toOptions } from '../../../src/stores/amqp/wire.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until } from '../../until.ts';

needs(it, noRabbit)('a message that names another user can be deferred and given back', async () => {
  const rabbit = await RabbitServerProcess.shared();
  const vhost = rabbit.vhost();
  const user = `web-${randomUUID()}`;
  await rabbit.evaluate(
    `rabbit_auth_backend_internal:add_user(<<"${user}">>, <<"secret">>, <<"test">>), rabbit_auth_backend_internal:set_permissions(<<"${user}">>, <<"${vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`,
  );
  onTestFinished(
    () => void rabbit.evaluate(`rabbit_auth_backend_internal:delete_user(<<"${user}">>, <<"test">>)`),
  );
  const transport = await openAmqpTransport(rabbit.url(vhost), { queues: [], driver: {} });
  onTestFinished(() => transport.close());
  const consumer = await transport.consume({ queues: ['celery'], name: 'w', leaseMs: 15_000 });
  const link = new AmqpLink(
    amqpSettings(rabbit.url(vhost).replace('guest:guest', `${user}:secret`), 'broker', {}),
  );
  onTestFinished(() => link.close());
  const channel = await (await link.ready(patienceMs)).createConfirmChannel();
  const eta = new Date(Date.now() + 3_600_000);
  for (const { message } of [publication('later', { eta }), publication('now')])
    channel.publish('', 'celery', Buffer.from(message.body), { ...toOptions(message), userId: user });
  await channel.waitForConfirms();
  const first = await claimOne(consumer);
  expect(idOf(first)).toBe('now');
  await first.settle({ kind: 'release', until: null });
  const again = await claimOne(consumer);
  expect(idOf(again)).toBe('now');
  await again.settle({ kind: 'dead', reason: 'rejected', detail: 'x' });
  expect(await transport.deadLetters.count()).toBe(1);
  const isAside = async (): Promise<boolean> =>
    (await rabbit.queues(vhost)).some(
      ({ name, messages }) => name.startsWith('celery_delayed_') && messages === 1,
    );
  await until(isAside, 'a message in the delays');
});

needs(it, noRabbit)(
  'names and ids that are too long for AMQP are refused, and harm no other send',
  async () => {
    const rabbit = await RabbitServerProcess.shared();
    const transport = await openAmqpTransport(rabbit.url(rabbit.vhost()), { queues: [], driver: {} });
    onTestFinished(() => transport.close());
    const [longest, long] = ['x'.repeat(199), 'x'.repeat(200)];
    const nowhere = { name: 'x'.repeat(256), routingKey: 'celery' };
    const sends = [
      publication('fine'),
      publication('a', { queue: long }),
      publication('x'.repeat(256)),
      publication('b', { exchange: nowhere }),
    ].map((each) => transport.publish([each]));
    const refused = 'has 200 bytes; RabbitMQ takes 255, of which tasks that wait need 56';
    await expect(transport.size(long)).rejects.toThrow(refused);
    await expect(transport.purge(long)).rejects.toThrow(refused);
    const by = { name: 'w', leaseMs: 15_000 };
    await expect(transport.consume({ queues: [long], ...by })).rejects.toThrow(refused);
    const [fine, ...others] = await Promise.allSettled(sends);
    expect(fine?.status).toBe('fulfilled');
    expect(others.map((each) => each.status === 'rejected' && String(each.reason.message))).toEqual([
      expect.stringMatching(/^the queue 'x+…' has 200 bytes/),
      expect.stringMatching(/^the id 'x+…' has 256 bytes/),
      expect.stringMatching(/^the exchange 'x+…' has 256 bytes/),
    ]);
    expect(await transport.size('celery')).toMatchObject({ ready: 1 });
    // With the longest name a message is delayed, deferred, and quarantined.
    const consumer = await transport.consume({ queues: [longest], ...by });
    await transport.publish([publication('c', { queue: longest, eta: new Date(Date.now() + 1_500) })]);
    const first = await claimOne(consumer);
    await first.settle({ kind: 'release', until: new Date(Date.now() + 500) });
    await (await claimOne(consumer)).settle({ kind: 'release', until: null, crashed: true });
    await (await claimOne(consumer)).settle({ kind: 'release', until: null, crashed: true });
    const quarantined = await claimOne(consumer);
    expect(quarantined).toMatchObject({ queue: longest, crashes: 2 });
    await quarantined.settle({ kind: 'ack' });
    expect(await transport.size(longest)).toMatchObject({ ready: 0 });
  },
);

it('what the sender set goes on with the message, and what AMQP has no place for is left out', () => {
  const { message } = publication('a');
  const withOthers = (other: object) =>
    toOptions({ ...message, properties: { ...message.properties, other: { ...other } } });
  const good = { app_id: 'shop', type: 'order', timestamp: 1_700_000_000 };
  expect(withOthers(good)).toMatchObject({ appId: 'shop', type: 'order', timestamp: 1_700_000_000 });
  const bad = withOthers({
    app_id: 'x'.repeat(256),
    type: 5,
    timestamp: -1.5,
    user_id: 'web',
    message_id: 'm',
  });
  for (const name of ['appId', 'type', 'timestamp', 'userId', 'messageId'])
    expect(bad).not.toHaveProperty(name);
});
