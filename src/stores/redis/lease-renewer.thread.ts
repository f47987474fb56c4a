// The thread of a lease renewer: calls `limits-renew` (lua/limits-renew.lua) at each third of the lease.
import type { WaitingMessage } from '../limits.ts';
import { SideClient } from './client/side-client.ts';
import type { LeaseRenewerData, LeaseRenewerInput, LeaseRenewerOutput } from './lease-renewer.ts';

let holder = '';
let busy = false;

const side = new SideClient<LeaseRenewerData, LeaseRenewerInput, LeaseRenewerOutput>({
  onMessage(message) {
    holder = message.holder;
  },
});
const { prefix, leaseMs } = side.data;

setInterval(() => void beat(), leaseMs / 3);

async function beat(): Promise<void> {
  if (busy || holder === '') return;
  busy = true;
  const mine = holder;
  try {
    const { alive, notified } = read(await side.run(prefix, mine, String(leaseMs)));
    if (!alive && mine === holder) {
      holder = '';
      side.post({ evicted: mine });
    }
    if (Array.isArray(notified) && notified.length > 0) side.post({ notified });
  } catch {
    // The next beat tries again.
  }
  busy = false;
}

/** An empty list is `{}` in Lua's JSON. */
function read(reply: unknown): {
  readonly alive: boolean;
  readonly notified: readonly WaitingMessage[] | object;
} {
  return JSON.parse(String(reply)); // our own script's
}
