// What the verdict on messages that are nowhere rests on: the server's own file tells who had a message last.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openRedisTransport } from '../../src/stores/redis/redis-transport.ts';
import { claimOne, publication } from '../../src/testing/conformance.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { appendLog, takers } from './harness/append-log.ts';

needs(describe, noRedis)('who took a message', () => {
  test('is told from what the server did: in one step, noted afterwards, or never noted', async () => {
    await using server = await RedisServerProcess.start(...appendLog);
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    const send = (id: string): Promise<void> => transport.publish([publication(id, { queue: 'q' })]);
    const takersOf = (id: string): string[] => takers(server.folder, 'q', id);

    // As kombu: a pop that waits or not, and then a note of it.
    await send('task-1');
    server.cli('BRPOP', 'q', '1');
    expect(takersOf('task-1')).toEqual(['python, and forgotten']);
    const waiting = spawn('redis-cli', ['-p', String(server.port), 'BRPOP', 'q', '0'], { stdio: 'ignore' });
    await until(() => server.cli('INFO', 'clients').includes('blocked_clients:1'));
    const gone = once(waiting, 'exit');
    await send('task-11');
    await gone;
    expect(takersOf('task-11')).toEqual(['python, and forgotten']);
    server.cli('HSET', 'unacked', 'tag', '[{"headers": {"id": "task-11"}}, "", "q"]');
    expect(takersOf('task-11')).toEqual(['python']);
    expect(takersOf('task-1')).toEqual(['python, and forgotten']);

    // Ours: a claim, what is given back, a read that waits.
    await send('task-2');
    const consumer = await transport.consume({ queues: ['q'], name: 'test', leaseMs: 15_000 });
    const delivery = await claimOne(consumer);
    expect(takersOf('task-2')).toEqual(['ours']);
    const again = claimOne(consumer);
    await delivery.settle({ kind: 'release', until: null });
    await (await again).settle({ kind: 'ack' });
    expect(takersOf('task-2')).toEqual(['ours', 'ours']);
    await consumer.close();
    await send('task-3');
    expect(takersOf('task-3')).toEqual([]);
  });
});
