// The first way, seen by its caller: it sends tasks and hears of them by events (statuses) and `rpc://` (results).
import { setTimeout as sleep } from 'node:timers/promises';
import { type AsyncResult, TaskFailedError } from 'umbel';
import { captureEvents } from 'umbel/events';
import type { Tell, Way } from '../way.ts';
import type { Work } from '../work.ts';
import { app, processTask } from './app.ts';

export async function openTasks(tell: Tell): Promise<Way> {
  const closing = new AbortController();
  const heard = new Map<string, () => void>();
  const events = await captureEvents(app, (event) => {
    const { type, uuid, hostname: worker } = event;
    if (typeof uuid !== 'string') return;
    if (type === 'task-started') tell(uuid, { status: 'IN_PROGRESS', worker });
    if (type === 'umbel-progress' || type === 'task-progress')
      tell(uuid, { status: 'IN_PROGRESS', worker, progress: shareOf(event.progress) });
    if (type === 'task-retried') tell(uuid, { status: 'RETRY', worker, error: String(event.exception) });
    if (type === 'task-succeeded' || type === 'task-failed') heard.get(uuid)?.();
  });

  async function follow(result: AsyncResult): Promise<void> {
    const lastEvent = new Promise<void>((resolve) => heard.set(result.id, resolve));
    const ended = await result.get({ signal: closing.signal, propagate: false }).catch(() => undefined);
    const at = Date.now();
    if (ended === undefined) return; // this program ends
    await Promise.race([lastEvent, sleep(2000, undefined, { ref: false })]); // they take another way, and may be later
    heard.delete(result.id);
    const error = ended instanceof TaskFailedError ? ended.remoteMessage : String(ended);
    tell(result.id, ended instanceof Error ? { status: 'FAILED', error, at } : { status: 'DONE', at });
  }

  const queue = app.config.taskDefaultQueue;
  return {
    async send(id: string, { number, seconds, failures }: Work) {
      const args: Parameters<typeof processTask> = [number, seconds, 'celery', failures];
      void follow(await processTask.applyAsync(args, { taskId: id }));
    },
    waiting: async () => (await (await app.broker()).size(queue)).ready,
    async purge() {
      await app.ensureConnection({ timeout: 2 });
      return app.queues.purge(queue);
    },
    async close() {
      closing.abort();
      await events[Symbol.asyncDispose]();
    },
  };
}

function shareOf(progress: unknown): number | undefined {
  const share = typeof progress === 'object' && progress !== null && 'share' in progress && progress.share;
  return typeof share === 'number' ? share : undefined;
}
