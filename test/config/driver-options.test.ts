import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { type AppOptions, type Config, resolveConfig } from '../../src/config/config.ts';
import { backendOptions, brokerOptions } from '../../src/config/driver-options.ts';

/** As a JavaScript program could give them. */
const config = (settings: Record<string, unknown>): Config => resolveConfig(settings as AppOptions, {});
const redis = { broker: 'redis://h/0' };

describe('what the drivers are told', () => {
  it('is nothing when nothing is said', () => {
    for (const broker of ['redis://h/0', 'amqp://h', 'memory://']) {
      expect(brokerOptions(config({ broker }))).toEqual({});
      expect(backendOptions(config({ broker }))).toEqual({});
    }
  });

  it('has Python’s names in our spelling, also within', () => {
    const broker_transport_options = {
      master_name: 'm',
      sentinel_kwargs: { password: 'p' },
      priority_steps: [0, 5],
    };
    expect(brokerOptions(config({ ...redis, broker_transport_options }))).toEqual({
      masterName: 'm',
      sentinelKwargs: { password: 'p' },
      prioritySteps: [0, 5],
    });
  });

  it.each([
    [{ ca_certs: 'ca', certfile: 'c', keyfile: 'k', cert_reqs: 2 }],
    [{ ssl_ca_certs: 'ca', ssl_certfile: 'c', ssl_keyfile: 'k', ssl_cert_reqs: 'required' }],
    [{ caCerts: 'ca', certfile: 'c', keyfile: 'k', certReqs: 'required' }],
  ])('has one way to say TLS: %j', (tls) => {
    const ssl = { caCerts: 'ca', certfile: 'c', keyfile: 'k', certReqs: 'required' };
    expect(brokerOptions(config({ ...redis, broker_use_ssl: tls }))).toEqual({ ssl });
    expect(brokerOptions(config({ ...redis, broker_transport_options: { ssl: tls } }))).toEqual({ ssl });
    expect(backendOptions(config({ ...redis, backend: 'redis://r/0', redis_backend_use_ssl: tls }))).toEqual({
      ssl,
    });
  });

  it('does not take TLS away from a URL that asks for it', () => {
    expect(brokerOptions(config({ broker: 'rediss://h/0', brokerUseSsl: false }))).toEqual({});
    expect(brokerOptions(config({ broker: 'rediss://h/0', brokerUseSsl: true }))).toEqual({ ssl: true });
  });

  it('has the times of a connection under the names of its driver, in seconds', () => {
    const times = { brokerConnectionTimeout: '2s', brokerHeartbeat: 30 };
    expect(brokerOptions(config({ ...redis, ...times }))).toEqual({ socketConnectTimeout: 2 });
    expect(brokerOptions(config({ broker: 'amqps://h', ...times }))).toEqual({
      connectionTimeout: 2,
      heartbeat: 30,
    });
  });

  it('counts for both where the broker keeps the results, and for one where they are apart', () => {
    const broker_transport_options = { master_name: 'm' };
    expect(backendOptions(config({ ...redis, broker_transport_options }))).toEqual({ masterName: 'm' });
    const apart = {
      ...redis,
      backend: 'redis://h/1',
      broker_transport_options,
      redis_socket_connect_timeout: 3,
    };
    expect(backendOptions(config(apart))).toEqual({ socketConnectTimeout: 3 });
    const own = { result_backend_transport_options: { master_name: 'other' } };
    expect(backendOptions(config({ ...apart, ...own }))).toEqual({
      socketConnectTimeout: 3,
      masterName: 'other',
    });
  });
});

describe('several brokers', () => {
  it('are a list, or a text with semicolons', () => {
    expect(config({ broker: ['redis://a/0', 'redis://b/0'] }).broker).toBe('redis://a/0;redis://b/0');
    expect(config({ broker_url: 'redis://a/0;redis://b/0' }).broker).toBe('redis://a/0;redis://b/0');
    expect(brokerOptions(config({ ...redis, broker_failover_strategy: 'shuffle' }))).toEqual({
      failoverStrategy: 'shuffle',
    });
  });

  it('are not embedded', () => {
    expect(() => config({ broker: ['sqlite://a', 'redis://b'] })).toThrow('an embedded store is one');
    expect(() => config({ broker: [] })).toThrow("'broker' must be a URL, or a list of URLs");
    expect(() => config({ broker: ['redis://a', ''] })).toThrow("'broker' must be a URL, or a list of URLs");
  });
});

describe('a password', () => {
  const canary = 'canary-7f3';
  it.each<[string, Record<string, unknown>]>([
    ['in a URL that is none', { broker: `redis:/:${canary}@h` }],
    ['in a URL with a bad host', { broker: `redis://u:${canary}@bad host/0` }],
    ['in a URL with a bad port', { broker: `redis://u:${canary}@h:99999999/0` }],
    ['in a URL with a bad escape', { broker: `redis://u:${canary}%zz@h/0` }],
    ['in a URL with a bad database', { broker: `redis://u:${canary}@h/zero` }],
    ['of a scheme that is unknown', { broker: `kafka://u:${canary}@h` }],
    ['in a list of URLs', { broker: ['redis://a/0', `rediss://u:${canary}@h/0`] }],
    ['of a result backend', { broker: 'memory://', backend: `redis://u:${canary}@bad host/0` }],
    ['of a result backend that is unknown', { broker: 'memory://', backend: `mongodb://u:${canary}@h` }],
    [
      'beside a wrong option',
      { broker: 'redis://h', brokerTransportOptions: { sentinelKwargs: { password: canary }, wrong: 1 } },
    ],
    ['in the wrong place', { broker: 'redis://h', brokerUseSsl: canary }],
    ['in place of a number', { broker: 'memory://', workerConcurrency: canary }],
    ['given twice', { broker: `redis://u:${canary}@a`, broker_url: `redis://u:${canary}@b` }],
  ])('is in no error: %s', async (_, settings) => {
    const error: unknown = await (async () => {
      await using app = new App('test', settings as AppOptions); // see config()
      await app.open();
      throw new Error('nothing is wrong');
    })().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UMBEL_CONFIG' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(canary);
  });
});
