/** Keeps the event loop from everything else for so long, as code that computes does. */
export function busy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
