import { describe, expect, test } from 'vitest';
import { Quarantine } from '../../src/stores/quarantine.ts';

/** A quarantine with a patience of 100 ms, and its clock. */
function begin(): { quarantine: Quarantine; pass: (ms: number) => void } {
  let now = 5;
  const quarantine = new Quarantine({ monotonic: () => now }, 100);
  const pass = (ms: number): void => {
    now += ms;
  };
  return { quarantine, pass };
}

const fresh = 0;
const once = 1;
const twice = 2;
const all = { quarantined: false, others: true, againMs: null };
const quarantinedAlone = { quarantined: true, others: false, againMs: null };
const nothingFor = (againMs: number): object => ({ quarantined: false, others: false, againMs });

describe('what a consumer may take', () => {
  test('is everything while no message is suspected', () => {
    const { quarantine } = begin();
    expect(quarantine.look(false)).toEqual(all);
    quarantine.took(fresh);
    quarantine.took(once);
    expect(quarantine.look(false)).toEqual(all);
    expect([quarantine.held, quarantine.holdsQuarantined, quarantine.aloneMs]).toEqual([2, false, 0]);
    expect(quarantine.letGo(once)).toBe(false);
  });

  test('is the quarantined message and nothing else when it holds nothing', () => {
    const { quarantine } = begin();
    expect(quarantine.look(true)).toEqual(quarantinedAlone);
  });

  test('is nothing beside a quarantined message, until patience is over; then all but another quarantined message', () => {
    const { quarantine, pass } = begin();
    quarantine.took(twice);
    expect(quarantine.look(true)).toEqual(nothingFor(100));
    pass(99);
    expect([quarantine.look(false), quarantine.aloneMs]).toEqual([nothingFor(1), 1]);
    pass(1);
    expect(quarantine.look(true)).toEqual(all);
    expect(quarantine.aloneMs).toBe(0);
    quarantine.took(fresh);
    expect(quarantine.letGo(twice)).toBe(true);
    expect(quarantine.look(true)).toEqual(nothingFor(100));
  });

  test('is nothing while a quarantined message waits for it to be empty, until patience is over', () => {
    const { quarantine, pass } = begin();
    quarantine.took(fresh);
    quarantine.took(fresh);
    expect(quarantine.look(true)).toEqual(nothingFor(100));
    expect(quarantine.isWaiting).toBe(true);
    pass(60);
    expect(quarantine.letGo(fresh)).toBe(false);
    expect(quarantine.look(true)).toEqual(nothingFor(40));
    pass(40);
    expect(quarantine.look(true)).toEqual(quarantinedAlone);
    quarantine.took(twice);
    expect(quarantine.isWaiting).toBe(false);
    expect(quarantine.look(true)).toEqual(nothingFor(100));
  });

  test('is looked at again when the last message goes that a quarantined message waits for', () => {
    const { quarantine } = begin();
    quarantine.took(fresh);
    quarantine.look(true);
    expect(quarantine.letGo(fresh)).toBe(true);
    expect(quarantine.look(true)).toEqual(quarantinedAlone);
  });

  test('is everything again when another consumer took the quarantined message, and patience begins anew with the next', () => {
    const { quarantine, pass } = begin();
    quarantine.took(fresh);
    quarantine.look(true);
    pass(90);
    expect(quarantine.look(false)).toEqual(all);
    expect(quarantine.isWaiting).toBe(false);
    expect(quarantine.look(true)).toEqual(nothingFor(100));
  });

  test('is everything when all that it held is lost', () => {
    const { quarantine } = begin();
    quarantine.took(twice);
    quarantine.took(fresh);
    quarantine.reset();
    expect([quarantine.held, quarantine.holdsQuarantined]).toEqual([0, false]);
    expect(quarantine.look(false)).toEqual(all);
  });
});
