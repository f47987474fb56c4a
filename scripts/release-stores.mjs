// The stores of a release, kept so that later versions are tried on them (test/stores/releases.test.ts): what one version may find that another has left,
// in the embedded store and in Redis. `scripts/release.mjs` keeps them; only what it says is loaded here, from dist/.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DatabaseSync } from '@photostructure/sqlite';
import { createClient, RESP_TYPES } from '@redis/client';
import { startRedis } from '../bench/servers.mjs';

/** Of all keys, so that a server can hold other things beside them. */
const keyPrefix = 'kept:';

/** The application that left them, on this store. */
export async function keptApp(url) {
  const { App } = await import('../dist/index.js');
  const app = new App('kept', {
    ...{ broker: url, backend: url, resultExpires: null, taskDefaultQueue: 'kept' },
    ...(url.startsWith('redis') && { brokerTransportOptions: { keyPrefix } }),
    workerUnknownTaskGrace: 0,
  });
  app.task('kept.add', (x, y) => x + y);
  app.task('kept.fail', () => {
    throw new TypeError('as it should');
  });
  app.task('kept.join', (values) => values.join(' '));
  return app;
}

/** Leaves in the store one of everything that outlives a process. */
export async function fill(url) {
  const [{ chord, crontab }, { Worker }, { Schedules }, { Control }] = await Promise.all([
    import('../dist/index.js'),
    import('../dist/worker/worker.js'),
    import('../dist/beat/beat.js'),
    import('../dist/control/control.js'),
  ]);
  const app = await keptApp(url);
  const add = (...numbers) => app.signature('kept.add').clone(...numbers);
  const done = await app.send('kept.add', [1, 2], { taskId: 'done' });
  const failed = await app.send('kept.fail', [], { taskId: 'failed' });
  await app.send('kept.unknown', [], { taskId: 'unknown' });
  const first = add(1, 1).set({ taskId: 'first' });
  const second = add(2, 2).set({ taskId: 'second', queue: 'later' });
  await chord([first, second], app.signature('kept.join').set({ taskId: 'joined', queue: 'later' })).delay();
  await app.send('kept.add', [3, 4], { taskId: 'waiting', queue: 'later', priority: 3 });
  await app.send('kept.add', [5, 6], {
    taskId: 'future',
    queue: 'later',
    eta: new Date('2100-01-01T00:00:00Z'),
  });
  const worker = new Worker(app, { queues: ['kept'] });
  await worker.start();
  await Promise.all([done.get({ timeout: 30 }), failed.get({ timeout: 30 }).catch(() => undefined)]);
  await app.result('first').get({ timeout: 30 });
  while ((await app.deadLetters.count()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await worker.stop();
  const schedules = await Schedules.open(app);
  await schedules.ensure('nightly', crontab('0 3 * * *', { timezone: 'Europe/Berlin' }), add(7, 8));
  await schedules.close();
  await new Control(app).pause({ queue: 'held' }, { by: 'kept', reason: 'for later versions' });
  await app.close();
}

/** Keeps in the folder what this version leaves. @param version its version of the names in stores */
export async function keepStores(folder, storeVersion) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'store-version.json'), `${storeVersion}\n`);
  await inFolder(async (place) => {
    const file = join(place, 'store.db');
    await fill(`sqlite://${file}`);
    const copy = join(place, 'copy.db'); // what a backup has: the newest part of the file itself may be in its log
    const database = new DatabaseSync(file);
    database.exec(`VACUUM INTO '${copy}'`);
    database.close();
    writeFileSync(join(folder, 'store.db.gz'), gzipSync(readFileSync(copy)));
    const server = await startRedis([]);
    try {
      await fill(server.address);
      writeFileSync(join(folder, 'redis.json.gz'), gzipSync(JSON.stringify(await keysIn(server.address))));
    } finally {
      await server.stop();
    }
  });
}

/** The file of the kept embedded store, and the keys of the kept Redis. */
export function keptIn(folder) {
  return {
    storeVersion: JSON.parse(readFileSync(join(folder, 'store-version.json'), 'utf8')),
    file: gunzipSync(readFileSync(join(folder, 'store.db.gz'))),
    keys: JSON.parse(gunzipSync(readFileSync(join(folder, 'redis.json.gz'))).toString()),
  };
}

/** Puts the keys back into a server, in place of those of another release. */
export async function restore(url, keys) {
  const client = await createClient({ url }).connect();
  for (const key of await client.keys(`${keyPrefix}*`)) await client.del(key);
  for (const [key, value] of keys)
    await client.restore(key, 0, Buffer.from(value, 'base64'), { REPLACE: true });
  await client.close();
}

async function keysIn(url) {
  const client = await createClient({ url }).connect();
  const keys = (await client.keys(`${keyPrefix}*`)).sort();
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const values = [];
  for (const key of keys) values.push([key, (await bytes.dump(key)).toString('base64')]);
  await client.close();
  return values;
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-kept-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
