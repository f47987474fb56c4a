// What is measured, by name. Imported one at a time: each runs in a process of its own. `celery` is not among them: its
// parts are played by measure.py.
//
// A system is opened with an address (a file, or a URL) and has
//   send(data)          one call; resolves when it is sent
//   sendMany(count)     as many at a time as the system likes
//   sendAt(data, due)   one call, not before `due` (milliseconds); null when it has no such thing
//   result(data)        one call and its result; null when it keeps none
//   work(onStart)       a worker: calls `onStart` with the data of each task; { settled(count), stop() }
//   counts()            { waiting, done }: what its store says, past all counting of our own
//   close()
const module = new URL('./umbel-app.mjs', import.meta.url).href;
const umbel = async (worker, history) => (await import('./umbel.mjs')).umbel({ worker, history });

export const systems = {
  umbel,
  'umbel-history': () => umbel(undefined, true),
  'umbel-events': () => umbel({ taskEvents: true }),
  'umbel-solo': () => umbel({ pool: 'solo' }),
  'umbel-threads': () => umbel({ pool: 'threads', module, concurrency: 2 }),
  'umbel-processes': () => umbel({ pool: 'processes', module, concurrency: 2 }),
  plainjob: async () => (await import('./plainjob.mjs')).plainjob({ fsync: false }),
  'plainjob-fsync': async () => (await import('./plainjob.mjs')).plainjob({ fsync: true }),
  bullmq: async () => (await import('./bullmq.mjs')).bullmq(),
  'bee-queue': async () => (await import('./bee-queue.mjs')).beeQueue(),
  'celery-node': async () => (await import('./celery-node.mjs')).celeryNode(),
};

/** Looks each millisecond until it is so. Whoever starts a measurement ends it when it takes too long. */
export async function until(isSo) {
  while (!(await isSo())) await new Promise((done) => setTimeout(done, 1));
}
