// Bytes of a later Celery than the peer that the other tests run with (record.py celery-5.6).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../src/index.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { readResult, readTask } from '../../src/protocol/protocol.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { recorded } from '../protocol/fixtures.ts';

interface Recording {
  readonly versions: { readonly celery: string; readonly kombu: string };
  readonly messages: readonly {
    readonly name: string;
    readonly raw: string;
    readonly about: { readonly task: string; readonly id: string; readonly argsrepr: string } | null;
  }[];
  readonly results: readonly { readonly name: string; readonly text: string }[];
}

function recording(part: 'messages' | 'results'): Recording {
  return JSON.parse(
    readFileSync(new URL(`../fixtures/python/celery-5.6/${part}.json`, import.meta.url), 'utf8'),
  );
}

const { messages, versions } = recording('messages');
const { results } = recording('results');

function message(name: string): TaskMessage {
  const raw = Buffer.from(messages.find((each) => each.name === name)?.raw ?? '', 'base64');
  const decoded = readTask(raw, {
    accept: ['json', 'yaml', 'msgpack'],
    acceptCompression: ['zlib', 'bzip2'],
  });
  if (!decoded.ok) throw new Error(`${name}: ${decoded.refusal.detail}`);
  return decoded.value;
}

function result(name: string): ResultRecord {
  const decoded = readResult(results.find((each) => each.name === name)?.text ?? '');
  if (!decoded.ok) throw new Error(`${name}: ${decoded.refusal.detail}`);
  return decoded.value;
}

describe(`what Celery ${versions.celery} writes`, () => {
  const refused = ['pickle', 'compressed with lzma'];
  test.each(messages.filter(({ name }) => !refused.includes(name)))('the message "$name" is read', ({
    name,
    about,
  }) => {
    const read = message(name);
    expect(read.replacedTaskNesting).toBe(name === 'replaced' ? 2 : 0);
    if (about !== null)
      expect(read).toMatchObject({ id: about.id, task: about.task, argsrepr: about.argsrepr });
  });

  test('nothing is missing that the older one wrote', () => {
    const names = new Set(messages.map(({ name }) => name));
    expect(recorded('messages').filter(({ name }) => !names.has(name))).toEqual([]);
  });

  test('typed values are what they were in Python', () => {
    expect(message('typed values').args).toEqual([
      new Date('2026-11-21T02:09:38.406Z'),
      new Date('2026-01-02T03:04:05Z'),
      new PlainDate('2026-01-02'),
      new PlainTime('01:02:03'),
      new Decimal('1.10'),
      new Uuid('00000000-0000-0000-0000-000000000001'),
      new TextEncoder().encode('text'),
      new Uint8Array([0, 0xff]),
    ]);
    expect(message('typed values').kwargs).toEqual({ when: new Date('2026-11-21T02:09:38.406Z') });
  });

  test('stamps are stamps, and not headers of the user', () => {
    expect(message('stamped')).toMatchObject({
      stampedHeaders: ['tenant', 'trace'],
      stamps: { tenant: 'acme', trace: ['a', 'b'] },
      headers: {},
    });
    expect(message('a stamped signature')).toMatchObject({
      stampedHeaders: ['tenant'],
      stamps: { tenant: 'acme' },
      headers: {},
    });
    expect(message('two integers')).toMatchObject({ stampedHeaders: null, stamps: {}, headers: {} });
  });

  test.each(results)('the result "$name" is read', ({ name }) => {
    const { status, dateDone } = result(name);
    expect(name).toMatch(new RegExp(`^${status}`));
    const ended = ['SUCCESS', 'FAILURE', 'REVOKED'].includes(status);
    expect(dateDone instanceof Date).toBe(ended);
    if (dateDone !== null) expect(dateDone.toISOString()).toMatch(/^20\d\d-\d\d-\d\dT/);
  });

  test('results hold typed values', () => {
    expect(result('SUCCESS with typed values').result).toEqual([
      new Date('2026-11-21T02:09:38.406Z'),
      new Decimal('1.10'),
      new Uuid('00000000-0000-0000-0000-000000000001'),
      new Uint8Array([0, 0xff]),
    ]);
    expect(result('SUCCESS, extended and stamped')).toMatchObject({
      result: 3,
      name: 'shop.add',
      queue: 'celery',
    });
  });
});
