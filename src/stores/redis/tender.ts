// What keeps a consumer's lease alive and the store in order: a thread of its own, so that user code that blocks the event loop
// does not stop it. SIGSTOP and death do.
import type { RedisConnection } from './client/connection.ts';
import { classifyRedisError, isMissingRight } from './client/errors.ts';
import { SideThread } from './client/side-thread.ts';
import type { Hearing } from './hearing.ts';
import { consumersKey } from './keys.ts';
import { luaScript } from './scripts.ts';
import { longestReadMs } from './waiter.ts';

export interface TenderParts {
  /** Where this one is connected the thread connects, too. */
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  readonly hearing: Hearing;
  /** The consumer was taken for dead. */
  readonly onStruckOff: (id: string) => void;
  /** There is something to claim that no blocking read hears of. */
  readonly onWork: () => void;
  /** What cannot be kept in order, and what to do; null when everything can again. Told when it has changed. */
  readonly onTrouble: (trouble: string | null) => void;
}

/** A step of tending that is refused. */
interface Trouble {
  readonly key: string;
  /** What the server says. */
  readonly problem: string;
}

interface Told {
  readonly struckOff?: string;
  readonly work?: boolean;
  readonly troubles?: readonly Trouble[];
}

/** A consumer that has not heard of its message for so long has a blocked event loop. */
const deafMs = 2000;
/** How often that is looked at, at most: the store is tended for each time that something comes due. */
const lookMs = 500;
/** How soon what was refused is tried again. */
const refusedMs = 1000;
/** The same for what had no answer. */
const lostMs = 200;

const tending = `
const { prefix, leaseMs, queues, fallenMs, suffixes, shared, deafMs, lookMs, refusedMs, lostMs } = data;
const hearing = new Int32Array(shared);
const beatMs = leaseMs / 3;
let id = '', dueAt = Infinity, offset = 0, leaseAt = Infinity, lastBeat = -Infinity, notBefore = -Infinity, timer, busy = false;
// What our blocking reads took and the consumer has not heard of: since when.
let lying = new Map(), lookedAt = -Infinity;
// What was told last of what is refused.
let told = '';
function tellTroubles(troubles) {
  const keys = troubles.map(({ key, problem }) => key + ' ' + problem.split(' ', 1)[0]).sort().join('\\n');
  if (keys !== told) tell({ troubles });
  told = keys;
}
async function tend() {
  if (busy || !isReady()) return plan();
  busy = true;
  let again = false;
  const started = performance.now();
  const mine = id, due = dueAt;
  const looks = started - lookedAt >= lookMs;
  const returned = !looks ? [] : [...lying].filter(([, { suffix, since }]) =>
    started - since >= deafMs && Atomics.compareExchange(hearing, suffixes.indexOf(suffix), 0, 2) === 0);
  try {
    const back = returned.flatMap(([, { suffix, sha }]) => [...suffix.match(/^:(\\d+):(.*)$/s).slice(1), sha]);
    const args = [prefix, mine, String(leaseMs), '1', String(fallenMs), String(looks ? returned.length : -1), ...back, ...queues];
    const reply = await run(...args);
    const [alive, now, nextDue, nextLease, promoted, more, suspects, failed] = reply.slice(0, 8).map(Number);
    const troubles = Array.from({ length: failed }, (_, n) => ({ key: reply[8 + 2 * n], problem: reply[9 + 2 * n] }));
    tellTroubles(troubles);
    lastBeat = started;
    const before = lying;
    if (looks) { lying = new Map(); lookedAt = started; }
    for (let n = 8 + 2 * failed; n < reply.length; n += 2) {
      const [suffix, sha] = [reply[n], reply[n + 1]];
      lying.set(suffix + ' ' + sha, before.get(suffix + ' ' + sha) ?? { suffix, sha, since: started });
    }
    offset = now - Date.now();
    leaseAt = nextLease > 0 ? nextLease : Infinity;
    // Who moves what is due goes on with what comes next; where another was faster, that one does.
    if (now >= due || promoted > 0) {
      const next = promoted > 0 || (nextDue > 0 && nextDue <= due) ? nextDue || Infinity : Infinity;
      dueAt = dueAt === due ? next : Math.min(dueAt, next);
    }
    if (failed > 0) {
      // What is refused now is so in a moment, too.
      leaseAt = Math.max(leaseAt, now + refusedMs);
      dueAt = Math.max(Math.min(dueAt, nextDue || Infinity), now + refusedMs);
    }
    if (!alive && mine !== '' && mine === id) tell({ struckOff: mine });
    if (suspects > 0) tell({ work: true });
    again = more === 1;
  } catch (error) {
    if (error.refused) tellTroubles([{ key, problem: error.message }]);
    notBefore = performance.now() + (error.refused ? refusedMs : lostMs);
  }
  busy = false;
  if (again) setImmediate(tend); else plan();
}
function plan() {
  clearTimeout(timer);
  if (!isReady()) return;
  const now = Date.now() + offset;
  let ms = beatMs - (performance.now() - lastBeat);
  if (!(ms > 0)) ms = busy ? beatMs : 0;
  ms = Math.min(ms, dueAt - now, Math.max(leaseAt - now + 50 + Math.random() * 250, 50));
  timer = setTimeout(tend, Math.max(0, Math.ceil(ms), notBefore - performance.now()));
}
onReady = plan;
hear = (message) => {
  if (message.id !== undefined) { id = message.id; void tend(); }
  else if (message.due < dueAt) { dueAt = message.due; plan(); }
};
`;

export class Tender {
  readonly #thread: SideThread<Told>;

  constructor({ connection, leaseMs, queues, hearing, onStruckOff, onWork, onTrouble }: TenderParts) {
    const { keyPrefix: prefix } = connection.settings;
    const { suffixes, shared } = hearing;
    this.#thread = new SideThread({
      connection,
      script: luaScript('tend'),
      key: consumersKey(prefix),
      program: tending,
      answerMs: Math.max(leaseMs / 3, 1000),
      data: {
        prefix,
        leaseMs,
        queues,
        fallenMs: longestReadMs,
        suffixes,
        shared,
        deafMs,
        lookMs,
        refusedMs,
        lostMs,
      },
      onMessage: ({ struckOff, work, troubles }) => {
        if (struckOff !== undefined) onStruckOff(struckOff);
        if (work === true) onWork();
        if (troubles !== undefined) onTrouble(shownTroubles(connection.settings.shown, troubles));
      },
    });
  }

  /** Renews this consumer's lease from now on. */
  tend(id: string): void {
    this.#thread.tell({ id });
  }

  /** Something was scheduled for this time (milliseconds since 1970): looks after it. */
  due(ms: number): void {
    this.#thread.tell({ due: ms });
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}

function shownTroubles(shown: string, troubles: readonly Trouble[]): string | null {
  const lines = troubles.flatMap(({ key, problem }) => {
    if (/\bWRONGTYPE\b/.test(problem))
      return `the key '${key}' holds something that is not ours: RENAME it out of the way, and see who wrote it (umbel doctor)`;
    if (isMissingRight(problem)) return `the user has no right to do what '${key}' needs (ACL): ${problem}`;
    // What passes by itself is told by the connection.
    return classifyRedisError(problem).kind === 'fatal' ? `'${key}': ${problem}` : [];
  });
  return lines.length === 0 ? null : `${shown} cannot be kept in order: ${[...new Set(lines)].join('; ')}`;
}
