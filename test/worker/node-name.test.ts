import { expect, it } from 'vitest';
import { nodeName } from '../../src/worker/node-name.ts';

const host = 'eu1.example.com';

it.each([
  [undefined, 'celery@eu1.example.com'],
  ['images@%h', 'images@eu1.example.com'],
  ['images@%n', 'images@eu1'],
  ['images@%d', 'images@example.com'],
  ['w%%1@%h', 'w%1@eu1.example.com'],
  ['%h', 'celery@eu1.example.com'],
  ['images@', 'images@eu1.example.com'],
  ['images@here', 'images@here'],
  ['here', 'celery@here'],
])('the name %j is %s, as Celery expands it', (pattern, name) => {
  expect(nodeName(pattern, host)).toBe(name);
});

it('a host without a domain is its own short name', () => {
  expect(nodeName('a@%n', 'laptop')).toBe('a@laptop');
});
