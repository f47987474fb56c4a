// Free ports of the loopback address.
import { createServer } from 'node:net';
import { isOfDev } from './parent.ts';

/** How many ports after the wanted one are tried. */
const further = 100;

/** Resolves whether a server could listen on this port now. */
export function isFreePort(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** This port, where nobody has chosen one. For `umbel dev` the next that is free; 0, which is any, when none is. */
export async function usualPort(port: number): Promise<number> {
  if (!isOfDev) return port;
  for (let next = port; next <= port + further; next++) if (await isFreePort(next)) return next;
  return 0;
}
