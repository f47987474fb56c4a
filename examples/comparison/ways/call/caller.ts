// The third way, seen by its caller: it waits for the answer.
import type { Tell, Way } from '../way.ts';

/** @param urls of the servers that run now */
export function openCalls(urls: () => readonly string[], tell: Tell): Way {
  let turn = 0;
  return {
    async send(id, work) {
      const servers = urls();
      const url = servers[turn++ % servers.length];
      if (url === undefined) return tell(id, { status: 'LOST', error: 'no server is there' });
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(work),
        });
        const at = Date.now();
        const { started, worker, error } = (await response.json()) as Answer;
        tell(id, {
          ...(response.ok ? { status: 'DONE' } : { status: 'FAILED', error }),
          worker,
          started,
          at,
        });
      } catch (error) {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
        tell(id, { status: 'LOST', error: String(cause) });
      }
    },
    waiting: async () => 0, // they wait in their callers
    purge: async () => 0,
    close: async () => undefined,
  };
}

/** Of ./server.ts. */
export interface Answer {
  /** When a slot was free for it: milliseconds since 1970. */
  readonly started: number;
  readonly worker: string;
  readonly error?: string;
}
