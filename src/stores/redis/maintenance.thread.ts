// The maintenance thread: calls `maintain` (lua/maintain.lua) at each third of the lease, and when a message is due or a lease ends.

import { ErrorReply, type Reply } from './client/resp.ts';
import { SideClient } from './client/side-client.ts';
import type { MaintenanceData, MaintenanceInput, MaintenanceOutput, Trouble } from './maintenance.ts';

/** A message that our blocking read took, and that the consumer has not received. */
interface TakenMessage {
  readonly suffix: string;
  readonly sha: string;
  /** By our own monotonic clock. */
  readonly since: number;
}

/** The reply of lua/maintain.lua. */
interface Maintained {
  readonly alive: boolean;
  /** The server's times, milliseconds since 1970; Infinity: none. */
  readonly now: number;
  readonly nextDue: number;
  readonly nextLease: number;
  readonly promoted: number;
  readonly more: boolean;
  readonly quarantined: boolean;
  readonly troubles: readonly Trouble[];
  readonly taken: readonly { readonly suffix: string; readonly sha: string }[];
}

const side = new SideClient<MaintenanceData, MaintenanceInput, MaintenanceOutput>({
  onReady: plan,
  onMessage(message) {
    if ('id' in message) {
      id = message.id;
      void maintain();
    } else if (message.due < dueAt) {
      dueAt = message.due;
      plan();
    }
  },
});
const { prefix, leaseMs, queues, evictedMs, suffixes, shared, blockedMs, pollIntervalMs, refusedMs, lostMs } =
  side.data;
const handoff = new Int32Array(shared);
const beatMs = leaseMs / 3;

/** The consumer's id; empty: it is not registered yet. */
let id = '';
let busy = false;
let timer: NodeJS.Timeout | undefined;
// By the server's clock.
let dueAt = Infinity;
let leaseAt = Infinity;
/** How far the server's clock is ahead of ours, milliseconds. */
let offset = 0;
// By our own clock.
let lastBeat = -Infinity;
let notBefore = -Infinity;
let lookedAt = -Infinity;
let takenMessages: ReadonlyMap<string, TakenMessage> = new Map();
/** The last report of refused steps. */
let lastReported = '';

async function maintain(): Promise<void> {
  if (busy || !side.isReady) return plan();
  busy = true;
  let again = false;
  try {
    again = await call();
  } catch (error) {
    const isRefused = error instanceof ErrorReply;
    if (isRefused) reportTroubles([{ key: side.key, problem: error.message }]);
    notBefore = performance.now() + (isRefused ? refusedMs : lostMs);
  }
  busy = false;
  if (again) setImmediate(() => void maintain());
  else plan();
}

/** Whether there is more to do now. */
async function call(): Promise<boolean> {
  const started = performance.now();
  const mine = id;
  const due = dueAt;
  const looks = started - lookedAt >= pollIntervalMs;
  const returned = looks ? [...takenMessages.values()].filter((each) => mayGoBack(each, started)) : [];
  const back = returned.flatMap(({ suffix, sha }) => [...listOf(suffix), sha]);
  const reply = await side.run(
    ...[prefix, mine, String(leaseMs), '1', String(evictedMs), String(looks ? returned.length : -1)],
    ...back,
    ...queues,
  );
  const { alive, now, nextDue, nextLease, promoted, more, quarantined, troubles, taken } = read(reply);
  reportTroubles(troubles);
  lastBeat = started;
  const before = takenMessages;
  if (looks) lookedAt = started;
  const found = taken.map(({ suffix, sha }): [string, TakenMessage] => {
    const name = `${suffix} ${sha}`;
    return [name, before.get(name) ?? { suffix, sha, since: started }];
  });
  takenMessages = new Map(looks ? found : [...before, ...found]);
  offset = now - Date.now();
  leaseAt = nextLease;
  // The thread that moved due messages goes on with the next; where another process was faster, that one does.
  if (now >= due || promoted > 0) {
    const next = promoted > 0 || nextDue <= due ? nextDue : Infinity;
    dueAt = dueAt === due ? next : Math.min(dueAt, next);
  }
  if (troubles.length > 0) {
    // A call that is refused now would be refused in a moment, too.
    leaseAt = Math.max(leaseAt, now + refusedMs);
    dueAt = Math.max(Math.min(dueAt, nextDue), now + refusedMs);
  }
  if (!alive && mine !== '' && mine === id) side.post({ evicted: mine });
  if (quarantined) side.post({ work: true });
  return more;
}

/** True, unless the consumer has received it meanwhile. */
function mayGoBack({ suffix, since }: TakenMessage, now: number): boolean {
  return now - since >= blockedMs && Atomics.compareExchange(handoff, suffixes.indexOf(suffix), 0, 2) === 0;
}

/** Step and queue of `:step:queue`. */
function listOf(suffix: string): readonly string[] {
  const at = suffix.indexOf(':', 1);
  return [suffix.slice(1, at), suffix.slice(at + 1)];
}

function read(reply: Reply): Maintained {
  if (!Array.isArray(reply)) throw new Error('the reply is no list');
  const cells: readonly unknown[] = reply;
  const [
    alive = 0,
    now = 0,
    nextDue = 0,
    nextLease = 0,
    promoted = 0,
    more = 0,
    quarantined = 0,
    failed = 0,
  ] = cells.slice(0, 8).map(Number);
  const text = (at: number): string => String(cells[at]);
  const troubles = Array.from({ length: failed }, (_, n) => ({
    key: text(8 + 2 * n),
    problem: text(9 + 2 * n),
  }));
  const rest = 8 + 2 * failed;
  const taken = Array.from({ length: (cells.length - rest) / 2 }, (_, n) => ({
    suffix: text(rest + 2 * n),
    sha: text(rest + 2 * n + 1),
  }));
  return {
    alive: alive === 1,
    now,
    nextDue: nextDue > 0 ? nextDue : Infinity,
    nextLease: nextLease > 0 ? nextLease : Infinity,
    promoted,
    more: more === 1,
    quarantined: quarantined > 0,
    troubles,
    taken,
  };
}

/** Reports refusals when they have changed. */
function reportTroubles(troubles: readonly Trouble[]): void {
  const kinds = troubles.map(({ key, problem }) => `${key} ${problem.split(' ', 1)[0]}`);
  const shown = kinds.sort().join('\n');
  if (shown !== lastReported) side.post({ troubles });
  lastReported = shown;
}

function plan(): void {
  clearTimeout(timer);
  if (!side.isReady) return;
  const now = Date.now() + offset;
  let ms = beatMs - (performance.now() - lastBeat);
  if (!(ms > 0)) ms = busy ? beatMs : 0;
  ms = Math.min(ms, dueAt - now, Math.max(leaseAt - now + 50 + Math.random() * 250, 50));
  timer = setTimeout(() => void maintain(), Math.max(0, Math.ceil(ms), notBefore - performance.now()));
}
