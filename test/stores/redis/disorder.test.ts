// Keys of ours that hold something else, and claims of which nobody knows the owner: each is told by name, and stops nothing else.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BrokerUnavailable } from '../../../src/errors.ts';
import { openRedisTransport, type RedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import type { Consumer } from '../../../src/stores/transport.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { isLong } from '../../run/scale.ts';
import { right } from '../../servers/harm.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { until } from '../../until.ts';

needs(describe, noRedis)('a Redis in disorder', () => {
  let server: RedisServerProcess;
  let prefixes = 0;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  interface Place {
    readonly prefix: string;
    readonly transport: RedisTransport;
    readonly told: (string | null)[];
    join(): Promise<Consumer>;
  }
  const newPlace = async (): Promise<Place> => {
    const prefix = `d${++prefixes}*[x]:`; // what means something in a pattern is found as it is, too
    const transport = await openRedisTransport(server.url(), { queues: [], driver: { keyPrefix: prefix } });
    onTestFinished(() => transport.close());
    const told: (string | null)[] = [];
    const onTrouble = (trouble: string | null): void => void told.push(trouble);
    const join = (): Promise<Consumer> =>
      transport.consume({ queues: ['celery'], name: 'test', leaseMs: 900, onTrouble });
    return { prefix, transport, told, join };
  };
  /** One that died long ago, holding this. */
  const fell = async ({ prefix, transport }: Place, id: string): Promise<void> => {
    await transport.publish([publication(id, { queue: 'aside' })]);
    const stored = server.cli('--raw', 'RPOP', `${prefix}aside`);
    server.cli('HSET', `${prefix}umbel:claimed:dead`, '0:0:celery', stored);
    server.cli('ZADD', `${prefix}umbel:consumers`, '1', 'dead');
  };
  const falls = async ({ prefix, transport }: Place, id: string): Promise<void> => {
    await transport.publish([publication(id, { queue: 'aside' })]);
    const stored = server.cli('--raw', 'RPOP', `${prefix}aside`);
    server.cli('ZADD', `${prefix}umbel:schedule:celery`, '1', `0:${stored}`);
    server.cli('ZADD', `${prefix}umbel:due`, '1', 'celery');
  };

  const keys = ['umbel:evicted', 'umbel:due', 'other'];
  const more = ['umbel:schedule:other', 'umbel:quarantine:celery', 'umbel:claimed:broken', 'umbel:beat'];
  it.each(
    isLong ? [...keys, ...more] : keys,
  )('%s of a wrong type is told once; what it does not concern goes on, and the rest when it is mended', async (key) => {
    const place = await newPlace();
    const { prefix, transport, told } = place;
    server.cli('SET', prefix + key, 'of somebody else');
    if (key.startsWith('umbel:claimed')) server.cli('ZADD', `${prefix}umbel:consumers`, '1', 'broken');
    if (key.endsWith('other')) {
      server.cli('ZADD', `${prefix}umbel:due`, '0', 'other');
      if (key === 'other') server.cli('ZADD', `${prefix}umbel:schedule:other`, '1', '0:{}');
    }
    await using consumer = await place.join();
    await until(() => told.length > 0);
    expect(told[0]).toContain(`'${prefix}${key}'`);
    expect(told[0]).toContain('RENAME');
    // With a wrong list of quarantined messages nothing can be claimed; with a wrong list of the due nothing comes due.
    const stopped = ['umbel:quarantine:celery', 'umbel:due'].includes(key);
    if (!stopped) {
      await falls(place, 'due');
      expect(idOf(await claimOne(consumer))).toBe('due');
    }
    const crashed = ['umbel:evicted', 'umbel:quarantine:celery', 'umbel:beat'].includes(key);
    if (!crashed) {
      await fell(place, 'fallen');
      expect(idOf(await claimOne(consumer))).toBe('fallen');
    }
    expect(told).toHaveLength(1);
    server.cli('DEL', prefix + key);
    await until(() => told.length > 1);
    expect(told).toEqual([told[0], null]);
    if (crashed) {
      await fell(place, 'fallen');
      expect(idOf(await claimOne(consumer))).toBe('fallen');
    }
    if (stopped) {
      await falls(place, 'due');
      expect(idOf(await claimOne(consumer))).toBe('due');
    }
    expect((await transport.size('celery')).ready).toBe(0);
  });

  it('claims and taken messages of owners that nobody knows come back to their queue', async () => {
    const place = await newPlace();
    const { prefix, transport } = place;
    await transport.publish([publication('claimed', { queue: 'a' }), publication('taken', { queue: 'b' })]);
    server.cli(
      'HSET',
      `${prefix}umbel:claimed:gone`,
      '0:3:celery',
      server.cli('--raw', 'RPOP', `${prefix}a`),
    );
    server.cli('LPUSH', `${prefix}umbel:taken:lost:0:celery`, server.cli('--raw', 'RPOP', `${prefix}b`));
    await using consumer = await place.join();
    const ids = [idOf(await claimOne(consumer)), idOf(await claimOne(consumer))];
    expect(ids.sort()).toEqual(['claimed', 'taken']);
    await until(() => server.cli('KEYS', '*umbel:taken:*') === '');
  });

  it('a consumer that lives and is taken off the lists goes on with what it holds', async () => {
    const place = await newPlace();
    const { prefix, transport } = place;
    await using consumer = await place.join();
    await transport.publish([publication('held')]);
    const held = await claimOne(consumer);
    server.cli('DEL', `${prefix}umbel:consumers`);
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
    expect(await transport.size('celery')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
  });

  it('a list of consumers that holds something else stops settling by name, and nothing is lost when it is mended', async () => {
    const place = await newPlace();
    const { prefix, transport, told } = place;
    await using consumer = await place.join();
    await transport.publish([publication('held')]);
    const held = await claimOne(consumer);
    server.cli('SET', `${prefix}umbel:consumers`, 'of somebody else');
    const settled = held.settle({ kind: 'ack' });
    await expect(settled).rejects.toThrow(BrokerUnavailable);
    await expect(settled).rejects.toThrow('umbel:consumers');
    await until(() => told.length > 0);
    expect(told[0]?.match(/RENAME/g)).toHaveLength(1);
    server.cli('DEL', `${prefix}umbel:consumers`);
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
    expect(await transport.size('celery')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
  });

  it('a right that is missing when a message is adopted that runs already is told once, and when it is over', async () => {
    await using own = await RedisServerProcess.start();
    const transport = await openRedisTransport(own.url(), { queues: [], driver: {} });
    onTestFinished(() => transport.close());
    const told: (string | null)[] = [];
    const onTrouble = (trouble: string | null): void => void told.push(trouble);
    await transport.publish([publication('a', { queue: 'aside' })]);
    await using consumer = await transport.consume({
      queues: ['celery'],
      name: 'test',
      leaseMs: 60_000,
      onTrouble,
    });
    const claiming = claimOne(consumer);
    await until(() => own.cli('CLIENT', 'LIST').includes('cmd=blmove'), 'it waits');
    const [take, give] = right('HSET');
    own.cli(...take);
    own.cli('RPOPLPUSH', 'aside', 'celery');
    const settling = (await claiming).settle({ kind: 'ack' });
    const refused = /may not run HSET.*\+hset; tasks that have ended are not settled/;
    // The maintenance may miss the right, too, and tells that for itself.
    const changes = (): boolean[] => {
      const all = told.map((trouble) => trouble !== null && refused.test(trouble));
      return all.filter((is, at) => is !== (all[at - 1] ?? false));
    };
    await until(() => changes().length > 0, 'that it is refused');
    own.cli(...give);
    expect(await settling).toBe('settled');
    await until(() => changes().length > 1, 'that it is over');
    expect(changes()).toEqual([true, false]);
  });
});
