// A dead letter for people and for programs: decoded where that is possible, its original bytes always.
import { decodeEnvelope } from '../protocol/envelope.ts';
import type { TaskMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { DeadLetter } from '../transports/transport.ts';
import type { Output } from './output.ts';

/** For programs. The bytes in base64. */
export function asValue(letter: DeadLetter): object {
  const message = decoded(letter);
  return {
    id: letter.id,
    queue: letter.queue,
    reason: letter.reason,
    detail: letter.detail,
    diedAt: letter.diedAt.toISOString(),
    strikes: letter.strikes,
    message: message && {
      id: message.id,
      task: message.task,
      args: message.args,
      kwargs: message.kwargs,
      retries: message.retries,
      eta: message.eta?.toISOString() ?? null,
      expires: message.expires?.toISOString() ?? null,
      origin: message.origin,
    },
    raw: Buffer.from(letter.raw).toString('base64'),
  };
}

/** A line of the list. */
export function asRow(letter: DeadLetter): readonly string[] {
  return [
    String(letter.id),
    clean(letter.queue),
    clean(decoded(letter)?.task ?? '?'),
    letter.reason,
    letter.diedAt.toISOString().slice(0, 19).replace('T', ' '),
    shortened(clean(letter.detail), 60),
  ];
}

/** Everything about one. */
export function asText(letter: DeadLetter, output: Output): string {
  const message = decoded(letter);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['dead letter', String(letter.id)],
    ['queue', letter.queue],
    ['reason', letter.reason],
    ['detail', letter.detail],
    ['died', letter.diedAt.toISOString()],
    ['strikes', `${letter.strikes} (workers that died holding it)`],
    ['task', message?.task],
    ['task id', message?.id],
    ['args', message?.argsrepr],
    ['kwargs', message?.kwargsrepr],
    ['retries', message && String(message.retries)],
    ['eta', message?.eta?.toISOString()],
    ['sent by', message?.origin ?? undefined],
  ];
  const lines = facts
    .filter((fact): fact is [string, string] => fact[1] !== undefined)
    .map(([name, value]) => `${output.dim(name.padEnd(12))} ${clean(value)}`);
  const heading = `original bytes (${letter.raw.length}; exactly: umbel dead show ${letter.id} --raw)`;
  return [...lines, '', output.dim(heading), bytesShown(letter.raw)].join('\n');
}

function decoded(letter: DeadLetter): TaskMessage | undefined {
  const wire = decodeEnvelope(letter.raw);
  if (!wire.ok) return undefined;
  const task = decodeTask(wire.value);
  return task.ok ? task.value : undefined;
}

const shownBytes = 4096;

/** As text when it is text, else in hexadecimal. */
function bytesShown(raw: Uint8Array): string {
  const rest = raw.length > shownBytes ? `\n… and ${raw.length - shownBytes} bytes more` : '';
  const part = raw.subarray(0, shownBytes);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: true });
    return clean(text) + rest;
  } catch {
    return hexadecimal(part) + rest;
  }
}

function hexadecimal(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Buffer.from(bytes.subarray(at, at + 16));
    const text = row.toString('latin1').replace(/[^ -~]/g, '.');
    lines.push(
      `${at.toString(16).padStart(6, '0')}  ${(row.toString('hex').match(/../g) ?? []).join(' ').padEnd(47)}  ${text}`,
    );
  }
  return lines.join('\n');
}

// What strangers put into a message must not steer the terminal (colours, titles, the cursor).
function clean(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
