import { describe, expect, it } from 'vitest';
import { type Clock, sleepOn } from '../../src/lib/clock.ts';
import { StallDetector } from '../../src/worker/stall-detector.ts';

const leaseMs = 15_000;

describe('a process that stood still', () => {
  it('is not in doubt while its time goes on', async () => {
    const time = new Time();
    await using stallDetector = new StallDetector(time, leaseMs);
    await stallDetector.start();
    for (let passed = 0; passed < 60_000; passed += 5000) {
      await time.pass(5000);
      expect(stallDetector.maybeFenced).toBe(false);
    }
  });

  it('is in doubt at once when it goes on, before any timer has fired', async () => {
    const time = new Time();
    await using stallDetector = new StallDetector(time, leaseMs);
    await stallDetector.start();
    time.stand(60_000);
    expect(stallDetector.maybeFenced).toBe(true);
  });

  it('stays so for a lease, and trusts itself again', async () => {
    const time = new Time();
    await using stallDetector = new StallDetector(time, leaseMs);
    await stallDetector.start();
    time.stand(60_000);
    await time.pass(0);
    expect(stallDetector.maybeFenced).toBe(true);
    await time.pass(5000);
    await time.pass(5000);
    expect(stallDetector.maybeFenced).toBe(true);
    await time.pass(5000);
    expect(stallDetector.maybeFenced).toBe(false);
  });

  it('is not in doubt after a pause that its lease outlasts', async () => {
    const time = new Time();
    await using stallDetector = new StallDetector(time, leaseMs);
    await stallDetector.start();
    time.stand(9000);
    await time.pass(0);
    expect(stallDetector.maybeFenced).toBe(false);
  });
});

/** Passes as a process sees it; while it stands no timer fires. */
class Time implements Clock {
  #now = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, then: () => void): () => void {
    const sleeper = { at: this.#now + ms, wake: then };
    this.#sleepers.push(sleeper);
    return () => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  stand(ms: number): void {
    this.#now += ms;
  }

  async pass(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
    for (const { wake } of due) wake();
    await new Promise((done) => setImmediate(done));
  }
}
