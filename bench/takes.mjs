// How each figure is taken. A take of a system in a place: `{ name, address, count, server, memo, env }`.
import { child } from './children.mjs';

/** Sends alone: `part` is `one`, `flight` or `bulk`. */
export function sends(part, { at = 1, most = Number.POSITIVE_INFINITY } = {}) {
  return async (place) => {
    const count = Math.min(most, Math.ceil(place.count * at));
    const { rate, counts } = await play(place, part, count).figures;
    must(place, 'sent', counts.waiting, count);
    return rate;
  };
}

/** A queue filled by one process and drained by one worker process. */
export function drain(figure) {
  return async (place) => (await once(place, 'drain', drained))[figure];
}

async function drained(place) {
  const { count, server } = place;
  await play(place, 'bulk', count).figures;
  const before = server.cpuSeconds?.();
  const figures = await play(place, 'drain', count).figures;
  const serverCpu = before === undefined ? undefined : server.cpuSeconds() - before;
  const { counts } = await play(place, 'counts', count).figures;
  must(place, 'waiting after the drain', counts.waiting, 0);
  if (counts.done !== null) must(place, 'done after the drain', counts.done, count);
  return { ...figures, serverCpuPer1000: serverCpu === undefined ? undefined : serverCpu / (count / 1000) };
}

/** Milliseconds from the start of the process to the begin of the task that waits for it. */
export async function startToFirstTask(place) {
  await play(place, 'bulk', 1).figures;
  const at = performance.timeOrigin + performance.now();
  const { firstAt } = await play(place, 'worker', 1).figures;
  return firstAt - at;
}

/** Tasks a second from the first send to the last settlement, worker and producer at work together. */
export async function endToEnd(place) {
  const { count } = place;
  const { worker, sender } = await together(place, count, ['producer', count]);
  must(place, 'waiting at the end', worker.counts.waiting, 0);
  if (worker.counts.done !== null) must(place, 'done at the end', worker.counts.done, count);
  return count / ((worker.doneAt - sender.startedAt) / 1000);
}

/** Of an idle worker: `starts` (call to start) or `roundTrips` (call to result), at a quantile. */
export function idle(figure, part) {
  return async (place) => quantile((await once(place, 'idle', pinged))[figure], part);
}

async function pinged(place) {
  const tasks = 400;
  const { worker, sender } = await together(place, tasks, ['pinger', tasks]);
  // The first are a program that is not yet warm.
  return { starts: worker.latencies.slice(20), roundTrips: sender.roundTrips.slice(20) };
}

/** 10,000 tasks due within 3 s: how late they begin, and how the worker's memory grows from before they were sent. */
export function due(figure) {
  return async (place) => (place.plans === false ? Number.NaN : figure(await once(place, 'due', planned)));
}

async function planned(place) {
  const { leadMs = 4000 } = place;
  const count = place.planned ?? 10_000;
  const { worker, sender } = await together(
    // Some never finish (Celery 5.2 with many etas may wait for a timer that it has lost).
    { ...place, limitMs: 30_000 + leadMs },
    count + 1000,
    ['planner', count, leadMs],
    ['rss'],
  );
  must(place, 'planned tasks that ran', worker.lateness.length, count);
  const early = Math.min(...worker.lateness);
  // A clock of whole milliseconds may be one ahead of another.
  if (early < -1) throw new Error(`${place.name} ran a task ${-early} ms before it was due`);
  const before = worker.rss.filter(({ at }) => at < sender.startedAt).at(-1).mb;
  return { lateness: worker.lateness, growthMb: Math.max(...worker.rss.map(({ mb }) => mb)) - before };
}

/** Bytes of the server's memory for each task that waits. */
export async function bytesPerWaiting(place) {
  const count = 10_000;
  const { server } = place;
  // Scripts and connections that are there once are not what a task costs.
  await play(place, 'bulk', 1).figures;
  const before = server.usedBytes();
  const { counts } = await play(place, 'bulk', count).figures;
  must(place, 'waiting', counts.waiting, count + 1);
  return (server.usedBytes() - before) / count;
}

export function quantile(numbers, part) {
  const sorted = numbers.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** A worker that waits, and a sender beside it. */
async function together(place, tasks, [part, ...senderArgs], workerArgs = []) {
  const worker = play(place, 'worker', tasks, ...workerArgs);
  try {
    await worker.ready;
    const sender = play(place, part, ...senderArgs);
    try {
      // Whoever fails, fails the measurement at once.
      const [worked, sent] = await Promise.all([worker.figures, sender.figures]);
      return { worker: worked, sender: sent };
    } finally {
      sender.stop();
    }
  } finally {
    worker.stop();
  }
}

function play({ name, address, env, limitMs }, part, count, ...more) {
  return child(name, [part, address, count, ...more], { env, limitMs });
}

/** Figures of one measurement are taken from it once in a round. */
function once(place, key, take) {
  const { memo, name } = place;
  const id = `${key} ${name}`;
  if (!memo.has(id)) memo.set(id, take(place));
  return memo.get(id);
}

function must({ name }, what, is, wanted) {
  if (is !== wanted) throw new Error(`${name}: ${what}: ${is}, expected ${wanted}`);
}
