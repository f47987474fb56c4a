import { afterEach, describe, expect, it } from 'vitest';
import { decodeEnvelope } from '../../src/protocol/envelope.ts';
import type { Decoded, TaskMessage } from '../../src/protocol/message.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { withinCpuMs } from '../protocol/cpu.ts';
import { type Case, corpus } from './corpus.ts';

/** No message may hold up the event loop for longer. (This is four times the aim: the collector of garbage counts, too.) */
const longestMs = 800;

const cases = corpus();

afterEach(() => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

describe('a malformed message is refused or read, and never thrown at anybody', () => {
  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const decoded = withinCpuMs(longestMs, () => decode(each));
    if (!decoded.ok) expect(decoded.refusal.detail).toMatch(/^.{1,500}$/s);
    const { expected } = each;
    if (expected.kind === 'refused') {
      expect(decoded.ok ? `read as ${JSON.stringify(decoded.value)}` : decoded.refusal.reason).toBeOneOf([
        ...expected.reasons,
      ]);
    } else if (expected.kind !== 'either') {
      expect(decoded.ok ? 'read' : decoded.refusal).toBe('read');
    }
  });

  it('there are at least 150 of them, all different', () => {
    expect(cases.length).toBeGreaterThan(150);
    expect(new Set(cases.map(({ raw }) => Buffer.from(raw).toString('latin1'))).size).toBe(cases.length);
  });

  it('a text and its bytes are read the same', () => {
    for (const each of cases.filter(({ raw }) => raw.length < 20_000)) {
      const bytes = decodeEnvelope(each.raw);
      const text = Buffer.from(each.raw).toString();
      if (!Buffer.from(text).equals(each.raw)) continue;
      expect(decodeEnvelope(text), each.name).toEqual(bytes);
    }
  });
});

function decode(each: Case): Decoded<TaskMessage> {
  const envelope = decodeEnvelope(each.raw);
  return envelope.ok ? decodeTask(envelope.value) : envelope;
}
