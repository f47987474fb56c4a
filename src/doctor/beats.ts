// Checks who sends the schedules: no beat, or two schedulers that do not know each other.

import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '../app/app.ts';
import { openSchedulesOf } from '../beat/open-schedule-store.ts';
import { Control } from '../control/control.ts';
import { ConfigError } from '../errors.ts';
import { isRecord } from '../lib/narrow.ts';
import { type Finding, listed } from './finding.ts';

interface BeatFacts {
  /** Names of the application's schedules, and of schedules in the store. */
  readonly schedules: readonly string[];
  /** The tasks of these schedules. */
  readonly tasks: readonly string[];
  /** Whether a beat has the lead. */
  readonly led: boolean;
  /** The tasks in the `beat_schedule` of Celery's workers, by node. */
  readonly celery: Readonly<Record<string, readonly string[]>>;
}

/** How long to watch the lead, milliseconds. A leader renews it about every second; the rest is for slow machines. */
const pollIntervalMs = 3000;
const holder = `doctor/${process.pid}`;

/** @throws the errors of opening the store, except for a store that cannot keep schedules. */
export async function gatherBeats(app: App): Promise<BeatFacts> {
  const own = [...app.schedules];
  const tasks = own.map(({ call }) => (call.kind === 'task' ? call.task : call.signature.task));
  const [{ schedules, led }, celery] = await Promise.all([lookAtStore(app), askCelery(app)]);
  return { schedules: [...new Set([...own.map(({ name }) => name), ...schedules])], tasks, led, celery };
}

async function lookAtStore(app: App): Promise<Pick<BeatFacts, 'schedules' | 'led'>> {
  let opened: Awaited<ReturnType<typeof openSchedulesOf>>;
  try {
    opened = await openSchedulesOf(app);
  } catch (error) {
    if (error instanceof ConfigError) return { schedules: [], led: true }; // no beat of ours can run with this store, which is not a finding
    throw error;
  }
  await using store = opened;
  const schedules = (await store.changes(null)).entries.map(({ name }) => name);
  if (schedules.length === 0 && app.schedules.size === 0) return { schedules, led: true };
  const before = await store.lead(holder, null);
  if (before.holder === holder) {
    await store.resign(holder); // no beat had the lead
    return { schedules, led: false };
  }
  await sleep(pollIntervalMs);
  const after = await store.lead(holder, null);
  if (after.holder === holder) await store.resign(holder);
  return { schedules, led: after.holder !== holder && after.beats !== before.beats };
}

async function askCelery(app: App): Promise<BeatFacts['celery']> {
  await using control = new Control(app);
  const { replies } = await control.ask('conf', {}, { timeout: 1 });
  const found: Record<string, readonly string[]> = {};
  for (const [node, conf] of replies) {
    const tasks = scheduledBy(conf);
    if (tasks.length > 0) found[node] = tasks;
  }
  return found;
}

/** Reads a worker's answer, which may have any form. */
function scheduledBy(conf: unknown): readonly string[] {
  if (!isRecord(conf) || !isRecord(conf.beat_schedule)) return [];
  return Object.values(conf.beat_schedule).flatMap((entry) =>
    isRecord(entry) && typeof entry.task === 'string' ? [entry.task] : [],
  );
}

/** The findings. Pure. */
export function examineBeats({ schedules, tasks, led, celery }: BeatFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (schedules.length > 0 && !led)
    findings.push({
      check: 'no-beat',
      level: 'warning',
      what: `no beat runs, so these schedules send no tasks: ${listed(schedules)}`,
      why: 'nothing is sent until a beat runs',
      fix: 'umbel beat, or umbel worker -B; several may run: one leads, the others stand by',
    });
  const twice = Object.entries(celery).flatMap(([node, sent]) =>
    [...new Set(sent.filter((task) => tasks.includes(task)))].map((task) => `${task} (${node})`),
  );
  if (twice.length > 0)
    findings.push({
      check: 'two-beats',
      level: 'error',
      what: `a beat of Celery has schedules of the same tasks, according to its workers: ${listed(twice)}`,
      why: "it does not know this application's beats: both send, and the task runs twice",
      fix: "remove the schedule from one of them: umbel schedule import takes over Celery's. Of Celery's beats only one may run, of Umbel's several",
    });
  return findings;
}
