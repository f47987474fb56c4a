// Renews a holder's lease from a thread: a task that blocks the event loop must not lose its permit to another.

import type { Waiter } from '../limits.ts';
import type { RedisConnection } from './client/connection.ts';
import { SideThread } from './client/side-thread.ts';
import { luaScript } from './scripts.ts';

export interface BeaterParts {
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly onWoken: (woken: readonly Waiter[]) => void;
  readonly onStruckOff: (holder: string) => void;
}

interface Told {
  readonly struckOff?: string;
  readonly woken?: readonly Waiter[];
}

const beating = `
const { prefix, leaseMs } = data;
let holder = '', busy = false;
setInterval(async () => {
  if (busy || holder === '') return;
  busy = true;
  const mine = holder;
  try {
    const { alive, woken } = JSON.parse(await run(prefix, mine, String(leaseMs)));
    if (!alive && mine === holder) { holder = ''; tell({ struckOff: mine }); }
    if (Array.isArray(woken) && woken.length > 0) tell({ woken });
  } catch {
    // The next beat tries again.
  }
  busy = false;
}, leaseMs / 3);
hear = (message) => { holder = message.holder; };
`;

export class Beater {
  readonly #thread: SideThread<Told>;

  constructor({ connection, leaseMs, onWoken, onStruckOff }: BeaterParts) {
    const { keyPrefix: prefix } = connection.settings;
    this.#thread = new SideThread({
      connection,
      script: luaScript('limits-beat'),
      key: `${prefix}umbel:limit:holders`,
      program: beating,
      answerMs: Math.max(leaseMs / 3, 1000),
      data: { prefix, leaseMs },
      onMessage: ({ struckOff, woken }) => {
        if (struckOff !== undefined) onStruckOff(struckOff);
        if (woken !== undefined) onWoken(woken);
      },
    });
  }

  /** Renews this holder's lease from now on. */
  beat(holder: string): void {
    this.#thread.tell({ holder });
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}
