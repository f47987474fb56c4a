// A sending process. Each line of its input is an order: so many of each kind. Prints `sent <total>` after each.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { chain, chord } from 'umbel';
import { Control } from 'umbel/control';
import { again, app, ledger, limited, reject, requeue, send, spawn, step } from './app.ts';

/** How many of which kind; `ms` is how long each runs. */
export interface Order {
  readonly ms?: number;
  readonly everyMs?: number;
  readonly mix: Readonly<Partial<Record<Kind, number>>>;
}

export type Kind = keyof typeof kinds;

await using control = new Control(app);

const kinds = {
  step: (ms: number) => send(named('step'), (taskId) => step.applyAsync([ms], { taskId })),
  again: (ms: number) => send(named('again'), (taskId) => again.applyAsync([ms], { taskId })),
  requeue: (ms: number) => send(named('requeue'), (taskId) => requeue.applyAsync([ms], { taskId })),
  reject: (ms: number) => send(named('reject'), (taskId) => reject.applyAsync([ms], { taskId })),
  spawn: (ms: number) => send(named('spawn'), (taskId) => spawn.applyAsync([ms], { taskId })),
  limited: (ms: number) => send(named('limited'), (taskId) => limited.applyAsync([ms], { taskId })),
  later: (ms: number) => {
    const eta = Date.now() + 300;
    const how = (taskId: string): Promise<unknown> => step.applyAsync([ms], { taskId, eta: new Date(eta) });
    return send(named('later'), how, { eta });
  },
  chain: (ms: number) => {
    const next = named('next');
    const how = (taskId: string): Promise<unknown> =>
      chain(step.si(ms).set({ taskId }), step.si(ms).set({ taskId: next })).delay();
    return send(named('chain'), how, { also: [next] });
  },
  chord: (ms: number) => {
    const [second, body] = [named('member'), named('body')];
    const how = (taskId: string): Promise<unknown> => {
      const members = [taskId, second].map((id) => step.si(ms).set({ taskId: id }));
      return chord(members, step.si(ms).set({ taskId: body })).delay();
    };
    return send(named('member'), how, { also: [second, body] });
  },
  /** Is revoked before it is sent: it must never run. */
  revoked: async (ms: number) => {
    const id = named('revoked');
    await control.revoke(id, { timeout: 0.2, limit: 2 });
    await send(id, (taskId) => step.applyAsync([ms], { taskId, countdown: 0.3 }));
  },
};

let sent = 0;
await app.broker();
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const { mix, ms = 5, everyMs }: Order = JSON.parse(line);
  for (const [kind, count] of Object.entries(mix))
    for (let number = 0; number < count; number++) {
      await kinds[kind as Kind](ms); // the keys of a mix are kinds
      sent++;
      if (everyMs !== undefined) await sleep(everyMs);
    }
  process.stdout.write(`sent ${sent}\n`);
}
ledger.close();
await app.close();

function named(kind: string): string {
  return `${kind}-${randomUUID()}`;
}
