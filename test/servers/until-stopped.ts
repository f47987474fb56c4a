import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { patienceMs } from '../until.ts';

/**
 * Blocks until all processes of a group stand still after SIGSTOP, where `/proc` tells that. A process of many threads goes on until the
 * thread that was given the signal has its turn, which is long on a busy machine.
 * @throws when patience ends
 */
export function untilStopped(group: number): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const late = performance.now() + patienceMs;
  while (statesOf(group).some((state) => !'TZ'.includes(state))) {
    if (performance.now() > late) throw new Error(`the processes of group ${group} go on after SIGSTOP`);
    Atomics.wait(sleeper, 0, 0, 1);
  }
}

/** A letter for each process of the group: proc(5). */
function statesOf(group: number): readonly string[] {
  if (!existsSync('/proc/self/stat')) return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state = '', , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(own) === group ? [state] : [];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
