// A sending process. Each line of its input is an order: how many tasks of which kind. Prints `sent <total>` after each.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { again, app, block, later, ledger, step, suicide } from './app.ts';

const tasks = { step, again, later, block, suicide };

/** `count` tasks that take `ms` each, sent one after the other with a pause of `everyMs` between; `countdown` in milliseconds. */
interface Order {
  readonly count: number;
  readonly ms: number;
  readonly kind?: keyof typeof tasks;
  readonly countdown?: number;
  readonly everyMs?: number;
  /** What their ids begin with. */
  readonly name?: string;
}

let sent = 0;
await app.broker();
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const order: Order = JSON.parse(line);
  for (let number = 0; number < order.count; number++) {
    await send(order);
    if (order.everyMs !== undefined) await sleep(order.everyMs);
  }
  process.stdout.write(`sent ${sent}\n`);
}
await app.close();

async function send({ kind = 'step', ms, countdown, name = '' }: Order): Promise<void> {
  const id = name + randomUUID();
  const eta = countdown === undefined ? undefined : Date.now() + countdown;
  ledger.write({ kind: 'invoke', id, at: Date.now(), ...(eta === undefined ? {} : { eta }) });
  try {
    const options = { taskId: id, ...(eta === undefined ? {} : { eta: new Date(eta) }) };
    await tasks[kind].applyAsync([ms], options);
    ledger.write({ kind: 'ok', id, at: Date.now() });
    sent++;
  } catch (error) {
    ledger.write({ kind: 'fail', id, at: Date.now(), error: String(error) });
  }
}
