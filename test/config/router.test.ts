import { describe, expect, it } from 'vitest';
import { type RouteOptions, Router, type Routes } from '../../src/config/router.ts';

function route(routes: Routes, name: string): RouteOptions | undefined {
  return new Router(routes).route(name, [1], { k: 2 }, {});
}

describe('a route', () => {
  it.each<[string, Routes, string, RouteOptions | undefined]>([
    [
      'an exact name',
      { 'shop.add': { queue: 'math', priority: 1 } },
      'shop.add',
      { queue: 'math', priority: 1 },
    ],
    ['text is a queue', { 'shop.add': 'math' }, 'shop.add', { queue: 'math' }],
    ['another name has none', { 'shop.add': 'math' }, 'shop.addition', undefined],
    ['a pattern', { 'video.*': 'video' }, 'video.cut.fast', { queue: 'video' }],
    ['a pattern is of the whole name', { 'video.*': 'video' }, 'my.video.cut', undefined],
    ['a pattern with an end', { '*.slow': 'slow' }, 'video.slow.not', undefined],
    ['a dot is a dot', { 'a.*': 'x' }, 'ab', undefined],
    ['other signs are themselves', { 'a(b)+[c]*': 'x' }, 'a(b)+[c]d', { queue: 'x' }],
    [
      'the exact name goes before a pattern',
      { 'video.*': 'video', 'video.cut': 'cut' },
      'video.cut',
      { queue: 'cut' },
    ],
    [
      'the first pattern goes before the second',
      { 'v.*': 'first', 'v.c*': 'second' },
      'v.cut',
      { queue: 'first' },
    ],
    ['a regex in a pair', [[/^(video|image)\./, 'media']], 'image.cut', { queue: 'media' }],
    ['a regex in a map', new Map([[/\.slow$/, 'slow']]), 'a.slow', { queue: 'slow' }],
    [
      'a list of pairs',
      [
        ['a.*', 'a'],
        ['b.*', 'b'],
      ],
      'b.x',
      { queue: 'b' },
    ],
    ['a function', (name) => (name.startsWith('v') ? 'video' : undefined), 'v.x', { queue: 'video' }],
    ['a function that does not answer', () => undefined, 'v.x', undefined],
    [
      'the first router that answers',
      [() => null, { 'v.*': 'second' }, () => 'third'],
      'v.x',
      { queue: 'second' },
    ],
    ['an empty list', [], 'v.x', undefined],
  ])('%s', (_, routes, name, expected) => {
    expect(route(routes, name)).toEqual(expected);
  });

  it('matches each time with a regex that has the flag g', () => {
    const router = new Router([[/^v\./g, 'video']]);
    for (let time = 0; time < 3; time++) expect(router.route('v.x', [], {}, {})).toEqual({ queue: 'video' });
  });

  it('is asked with the whole call', () => {
    const seen: unknown[] = [];
    new Router((...call) => {
      seen.push(...call);
      return undefined;
    }).route('v.x', [1], { k: 2 }, { priority: 3 });
    expect(seen).toEqual(['v.x', [1], { k: 2 }, { priority: 3 }]);
  });

  it.each([
    [7, 'taskRoutes must be an object'],
    [{ a: '' }, "the route of 'a' must be a queue's name"],
    [{ a: 7 }, "the route of 'a' must be a queue's name"],
    [{ a: { quue: 'x' } }, "unknown option 'quue' in the route of 'a'; did you mean 'queue'?"],
    [[['a', 'b'], 'c'], 'taskRoutes: entry 1 is not a pair'],
    [{ a: { queue: 5 } }, "'queue' in the route of 'a' must be text"],
    [{ a: { priority: 'higher' } }, "'priority' in the route of 'a' must be a whole number"],
  ])('is refused when it is none: %j', (routes, message) => {
    expect(() => new Router(routes as unknown as Routes)).toThrow(message); // what the compiler would refuse
  });

  it('is refused when a function answers with nonsense', () => {
    expect(() => route((() => 5) as unknown as Routes, 'v.x')).toThrow(
      "the route of 'v.x' must be a queue's name",
    );
  });
});
