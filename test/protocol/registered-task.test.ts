import { expect, test } from 'vitest';
import { readRegistered, readRegisteredTask } from '../../src/protocol/registered-task.ts';

test.each([
  ['mail.send', 'mail.send', {}],
  ['mail.send [rate_limit=10/m]', 'mail.send', { rate_limit: '10/m' }],
  ['mail.send [exchange=mail rate_limit=10/m]', 'mail.send', { exchange: 'mail', rate_limit: '10/m' }],
  ['send the mail', 'send the mail', {}],
  ['send the mail [rate_limit=10/m]', 'send the mail', { rate_limit: '10/m' }],
  ['odd [name]', 'odd [name]', {}],
  [
    'mail.send [umbel_signature={ to: string, copies?: number }]',
    'mail.send',
    { umbel_signature: '{ to: string, copies?: number }' },
  ],
  ['add [umbel_signature=(a, b?) priority=3]', 'add', { umbel_signature: '(a, b?)', priority: '3' }],
])('a worker that replies %j knows the task %j', (text, name, attributes) => {
  expect(readRegisteredTask(text)).toEqual({ name, attributes });
});

test('a reply of another form has no tasks', () => {
  expect([null, 'x', { error: 'no' }, [1, null]].map(readRegistered)).toEqual([[], [], [], []]);
});
