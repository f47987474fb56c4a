// Groups that are saved on Redis: Python finds ours, and we find Python's.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { App, group } from '../../../src/index.ts';
import { toTuple } from '../../../src/results/async-result.ts';
import { needs } from '../../needs.ts';
import { noPython } from '../../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';

const missing = noRedis ?? noPython;

let server: RedisServerProcess;
let app: App;
beforeAll(async () => {
  if (missing) return;
  server = await RedisServerProcess.shared();
  app = new App('groups', { broker: server.url(0), backend: server.url(1), resultExpires: 10_000 });
});
afterAll(async () => {
  await app?.close();
  await server?.[Symbol.asyncDispose]();
});

function python(program: string): unknown {
  const celery = `
import json
from celery import Celery
from celery.result import AsyncResult, GroupResult
app = Celery(broker='${server.url(0)}', backend='${server.url(1)}')
`;
  const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-c', celery + program], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

needs(test, missing)('a group that was saved here is restored here and in Python, and expires', async () => {
  const add = app.task('add', (x: number, y: number) => x + y);
  const result = await group([add.s(1, 2), group([add.s(3, 4)])]).delay();
  await result.save();
  const restored = await app.restoreGroup(result.id);
  expect(restored && toTuple(restored)).toEqual(toTuple(result));
  const seen = python(`print(json.dumps([r.id for r in GroupResult.restore('${result.id}', app=app)]))`);
  expect(seen).toEqual(result.results.map(({ id }) => id));
  const key = `celery-taskset-meta-${result.id}`;
  const left = python(`print(app.backend.client.ttl('${key}'))`);
  expect(left).toBeGreaterThan(5000);
  expect(left).toBeLessThanOrEqual(10_000);
  expect(await result.forget()).toBe(true);
  expect(await app.restoreGroup(result.id)).toBeUndefined();
});

needs(test, missing)('a group that was saved in Python is restored here', async () => {
  python(`
GroupResult('from-python', [AsyncResult('a', app=app), AsyncResult('b', app=app)], app=app).save()
print(1)
`);
  const restored = await app.restoreGroup('from-python');
  expect(restored?.results.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(await app.restoreGroup('nobody')).toBeUndefined();
});
