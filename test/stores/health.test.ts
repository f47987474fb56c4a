// What stores tell about themselves, and what is made of it.
import { createServer } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { amqpHealth, figuresOfNodes } from '../../src/stores/amqp/amqp-health.ts';
import { figuresOf, infoOf } from '../../src/stores/redis/redis-health.ts';
import type { HealthFigure } from '../../src/stores/store-health.ts';

const connected = { state: 'connected', reason: null } as const;
const named = (figures: readonly HealthFigure[], name: string): HealthFigure | undefined =>
  figures.find((each) => each.name === name);

describe('Redis', () => {
  const infoText = (memory: string): string =>
    `# Memory\r\nused_memory:900\r\nused_memory_human:900B\r\n${memory}\r\n# Clients\r\nconnected_clients:7\r\nmaxclients:10000\r\n`;

  test('that deletes keys when it is full is a danger, and without a limit of memory a warning', () => {
    const full = figuresOf(infoOf(infoText('maxmemory:10000\r\nmaxmemory_policy:allkeys-lru')));
    expect(named(full, 'memory')).toMatchObject({ value: 900, limit: 10_000, level: 'danger' });
    expect(named(full, 'memory')?.note).toContain('allkeys-lru');
    const boundless = figuresOf(infoOf(infoText('maxmemory:0\r\nmaxmemory_policy:allkeys-lru')));
    expect(named(boundless, 'memory')).toMatchObject({ limit: null, level: 'warning' });
  });

  test('that refuses when it is full warns before it is', () => {
    const at = (maxmemory: number): string | undefined =>
      named(figuresOf(infoOf(infoText(`maxmemory:${maxmemory}\r\nmaxmemory_policy:noeviction`))), 'memory')
        ?.level;
    expect([at(10_000), at(1_000), at(910), at(0)]).toEqual(['fine', 'warning', 'danger', 'fine']);
  });

  test('of which nothing is known says so in words', () => {
    for (const { value, note } of figuresOf(infoOf('# Server\r\nredis_version:7\r\n'))) {
      expect(value).toBeNull();
      expect(note).not.toBe('');
    }
  });

  test('that could not write to its disk is a danger', () => {
    const figures = figuresOf(infoOf('used_memory:1\r\nrdb_last_bgsave_status:err\r\n'));
    expect(named(figures, 'failed writes to disk')).toMatchObject({ value: 1, level: 'danger' });
  });
});

describe('RabbitMQ', () => {
  const node = {
    name: 'rabbit@a',
    running: true,
    mem_used: 50,
    mem_limit: 100,
    disk_free: 500,
    disk_free_limit: 10,
  };

  test('tells memory, free disk and connections through its HTTP API, with the password only in the header', async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.url} ${request.headers.authorization}`);
      const body = request.url === '/api/nodes' ? [node] : { object_totals: { connections: 12 } };
      response.end(JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const figures = await amqpHealth(connected, `http://ann:p%40ss@127.0.0.1:${address.port}/api/`);
    expect(figures.map(({ name, value }) => [name, value])).toEqual([
      ['memory', 50],
      ['free disk', 500],
      ['connections', 12],
    ]);
    const login = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`;
    expect(seen.sort()).toEqual([`/api/nodes ${login}`, `/api/overview ${login}`]);
  });

  test('without its HTTP API, or with one that does not answer, has unknown figures with the reason and no password', async () => {
    const [memory] = await amqpHealth(connected, null);
    expect(memory).toMatchObject({ name: 'memory', value: null });
    expect(memory?.note).toContain('--broker-api');
    const [away] = await amqpHealth(connected, 'http://ann:geheim@127.0.0.1:1/api');
    expect(away?.value).toBeNull();
    expect(away?.note).toContain('does not answer');
    expect(away?.note).not.toContain('geheim');
  });

  test('that takes no messages says so, with what AMQP told', async () => {
    const figures = await amqpHealth({ state: 'blocked', reason: 'low on memory' }, null);
    expect(named(figures, 'alarm')).toMatchObject({ level: 'danger' });
    expect(named(figures, 'alarm')?.note).toContain('low on memory');
  });

  test('of several nodes shows the fullest, and those that do not run', () => {
    const nodes = [
      node,
      { ...node, name: 'rabbit@b', mem_used: 96, mem_alarm: true },
      { name: 'rabbit@c', running: false },
    ];
    const figures = figuresOfNodes({}, nodes);
    expect(named(figures, 'memory')).toMatchObject({ value: 96, level: 'danger' });
    expect(named(figures, 'node rabbit@c')).toMatchObject({ value: null, level: 'warning' });
    expect(named(figures, 'connections')).toMatchObject({ value: null });
    expect(figuresOfNodes(null, 'nonsense').every(({ value }) => value === null)).toBe(true);
  });
});
