import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { toMs, toSeconds } from '../../src/lib/duration.ts';
import { Heap } from '../../src/lib/heap.ts';
import { suggest } from '../../src/lib/suggest.ts';
import { uuid7 } from '../../src/lib/uuid.ts';
import { schemeOf, storeAt } from '../../src/stores/store-url.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { fc } from './property.ts';

describe('durations', () => {
  test('numbers are seconds, text has a unit', () => {
    expect([toMs(2), toMs('500ms'), toMs('1.5 s'), toMs('10m'), toMs('2h'), toMs('1d')]).toEqual([
      2000, 500, 1500, 600_000, 7_200_000, 86_400_000,
    ]);
    expect(toSeconds('250ms')).toBe(0.25);
  });
  test('what is no duration is refused by name', () => {
    for (const wrong of ['', '10', 'ten', '5 weeks', '1e3s', Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => toMs(wrong, 'countdown')).toThrow(ConfigError);
      expect(() => toMs(wrong, 'countdown')).toThrow(/countdown/);
    }
  });
});

test('a heap gives its items back in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (numbers) => {
      const heap = new Heap<number>((a, b) => a - b);
      for (const number of numbers) heap.push(number);
      expect(heap.size).toBe(numbers.length);
      const out = numbers.map(() => heap.pop());
      expect(out).toEqual([...numbers].sort((a, b) => a - b));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test('ids are UUIDs of version 7, ascend, and never repeat', () => {
  const ids = Array.from({ length: 20_000 }, () => uuid7());
  for (const id of ids.slice(0, 100)) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  const later = Date.now() + 3_600_000; // later than those above
  const [time = '', more = ''] = uuid7(later).split('-');
  expect(Number.parseInt(time + more, 16)).toBe(later);
});

test('the word that was meant is found, and only if it is near', () => {
  expect(suggest('shop.ad', ['shop.add', 'mail.send'])).toBe('shop.add');
  expect(suggest('countdwn', ['countdown', 'eta'])).toBe('countdown');
  expect(suggest('zzz', ['countdown', 'eta'])).toBeUndefined();
});

describe('store URLs', () => {
  test('are taken apart', () => {
    expect(storeAt('sqlite:///var/lib/a%20b.db', 'broker')).toBe('/var/lib/a b.db');
    expect(storeAt('sqlite://.umbel/store.db', 'broker')).toBe('.umbel/store.db');
    expect(storeAt('memory://', 'backend')).toBe('');
    const windows = { platform: 'win32' } as const;
    expect(storeAt('sqlite:///C:/a.db', 'broker', windows)).toBe('C:/a.db');
    expect(storeAt('sqlite://c:\\a.db', 'broker', windows)).toBe('c:\\a.db');
    expect(storeAt('sqlite:///a.db', 'broker', windows)).toBe('/a.db');
    expect(storeAt('sqlite:///C:/a.db', 'broker')).toBe('/C:/a.db');
    expect(schemeOf('REDIS://localhost/0', 'broker')).toBe('redis');
    expect(() => schemeOf('history.db', 'historyStore')).toThrow(
      "historyStore must be a URL like 'sqlite://.umbel/history.db' or 'postgresql://localhost/umbel', not 'history.db'",
    );
  });
  test('that are none are refused, without their password', () => {
    expect(() => storeAt('store.db', 'broker')).toThrow(/broker must be a URL/);
    expect(() => storeAt('redis:/u:secret@h', 'broker')).not.toThrow(/secret/);
    expect(() => storeAt('sqlite://a.db?mode=ro', 'broker')).toThrow(/'\?mode'/);
    expect(() => storeAt('sqlite://%zz', 'broker')).toThrow(ConfigError);
  });
});

test('a fake clock wakes sleepers in order, and stands still otherwise', async () => {
  const clock = new FakeClock(1000);
  const woken: [string, number][] = [];
  void clock.sleep(20).then(() => woken.push(['b', clock.now()]));
  void clock.sleep(10).then(() => woken.push(['a', clock.now()]));
  const gone = clock.sleep(15, AbortSignal.abort(new Error('aborted')));
  await expect(gone).rejects.toThrow('aborted');
  await clock.advance(12);
  expect(woken).toEqual([['a', 1010]]);
  await clock.advance(100);
  expect(woken).toEqual([
    ['a', 1010],
    ['b', 1020],
  ]);
  expect([clock.now(), clock.monotonic()]).toEqual([1112, 112]);
});
