const firstMs = 50;
const longestMs = 5000;

/** How long to wait after so many failures before the store is tried again: 50 ms, doubling up to 5 s, half of it by chance. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const fullMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 20));
  return fullMs / 2 + (fullMs / 2) * random();
}
