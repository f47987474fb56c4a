import { expect, test } from 'vitest';
import { redacted } from '../../src/cli/redact.ts';

test.each([
  ['redis://:secret@host:6379/0', 'redis://:**@host:6379/0'],
  ['amqp://user:p%40ss@host//', 'amqp://user:**@host//'],
  ['postgres+ssl://u:p@h and redis://:q@h', 'postgres+ssl://u:**@h and redis://:**@h'],
  ['redis://:pa/ss@word@host/0', 'redis://:**@host/0'],
  ['redis://h1:6379/0;redis://:secret@h2:6379/0', 'redis://h1:6379/0;redis://:**@h2:6379/0'],
  [
    'postgresql://h/db?user=u&password=p%40ss&sslmode=require',
    'postgresql://h/db?user=u&password=**&sslmode=require',
  ],
  ['sqlite://.umbel/store.db', 'sqlite://.umbel/store.db'],
  ['http://127.0.0.1:8000/tasks/a@b', 'http://127.0.0.1:8000/tasks/a@b'],
  ['no url: user@host', 'no url: user@host'],
])('passwords in URLs are not shown: %s', (text, shown) => {
  expect(redacted(text)).toBe(shown);
});
