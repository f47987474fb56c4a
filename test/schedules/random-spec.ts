// Random crontabs, with what they mean known without reading them.
import type { OracleFields } from './oracle.ts';

export interface RandomSpec {
  readonly text: string;
  readonly fields: OracleFields;
}

/** A small generator with a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomSpec(random: () => number): RandomSpec {
  for (;;) {
    const minute = randomField(random, 0, 59, 0.15);
    const hour = randomField(random, 0, 23, 0.3);
    const dayOfMonth = randomField(random, 1, 31, 0.75);
    const monthOfYear = randomField(random, 1, 12, 0.8);
    const dayOfWeek = randomField(random, 0, 6, 0.6);
    const days = [...dayOfMonth.values];
    // What is never due is refused, and tested elsewhere.
    const longest = Math.max(
      ...[...monthOfYear.values].map((month) => (month === 2 ? 29 : [4, 6, 9, 11].includes(month) ? 30 : 31)),
    );
    if (Math.min(...days) > longest) continue;
    return {
      text: [minute, hour, dayOfMonth, monthOfYear, dayOfWeek].map((field) => field.text).join(' '),
      fields: {
        minute: minute.values,
        hour: hour.values,
        dayOfMonth: dayOfMonth.values,
        monthOfYear: monthOfYear.values,
        dayOfWeek: dayOfWeek.values,
      },
    };
  }
}

interface Field {
  readonly text: string;
  readonly values: ReadonlySet<number>;
}

function randomField(random: () => number, min: number, max: number, star: number): Field {
  const size = max - min + 1;
  const value = (): number => min + Math.floor(random() * size);
  const range = (from: number, to: number, step: number): Field => {
    const values = new Set<number>();
    const length = to >= from ? to - from : to - from + size;
    for (let n = 0; n <= length; n += step) values.add(((from - min + n) % size) + min);
    return { text: step === 1 ? `${from}-${to}` : `${from}-${to}/${step}`, values };
  };
  if (random() < star) return { text: '*', values: range(min, max, 1).values };
  const kind = random();
  if (kind < 0.4) {
    const one = value();
    return { text: String(one), values: new Set([one]) };
  }
  if (kind < 0.55) {
    const step = 1 + Math.floor(random() * (size - 1));
    return { text: `*/${step}`, values: range(min, max, step).values };
  }
  if (kind < 0.75) return range(value(), value(), 1 + Math.floor(random() * 4));
  const parts = [range(value(), value(), 1 + Math.floor(random() * 5)), randomField(random, min, max, 0)];
  return {
    text: parts.map((part) => part.text).join(','),
    values: new Set(parts.flatMap((part) => [...part.values])),
  };
}
