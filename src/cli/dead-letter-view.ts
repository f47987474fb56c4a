// Dead letters for people and programs: decoded if possible, and always with their original bytes.
import type { DeadLetter } from '../app/dead-letters.ts';
import type { Output } from './output.ts';
import { clean, cleanLines } from './terminal/clean.ts';

/** A dead letter for programs, with its bytes in base64. */
export function asValue({ call, raw, ...letter }: DeadLetter): object {
  const { argsrepr: _, kwargsrepr: __, ...message } = call ?? noCall;
  return { ...letter, message: call && message, raw: Buffer.from(raw).toString('base64') };
}

const noCall = { argsrepr: '', kwargsrepr: '' };

/** A line of the list. */
export function asRow(letter: DeadLetter): readonly string[] {
  return [
    String(letter.id),
    clean(letter.queue),
    clean(letter.call?.task ?? '?'),
    letter.reason,
    letter.diedAt.toISOString().slice(0, 19).replace('T', ' '),
    shortened(clean(letter.detail), 60),
  ];
}

/** A dead letter with all its fields. */
export function asText(letter: DeadLetter, output: Output): string {
  const message = letter.call;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['dead letter', String(letter.id)],
    ['queue', letter.queue],
    ['reason', letter.reason],
    ['detail', letter.detail],
    ['died', letter.diedAt.toISOString()],
    ['crashes', `${letter.crashes} (workers that died holding it)`],
    ['task', message?.task],
    ['task id', message?.id],
    ['args', message?.argsrepr],
    ['kwargs', message?.kwargsrepr],
    ['retries', message?.retries.toString()],
    ['eta', message?.eta?.toISOString()],
    ['sent by', message?.origin ?? undefined],
  ];
  const lines = facts
    .filter((fact): fact is [string, string] => fact[1] !== undefined)
    .map(([name, value]) => `${output.dim(name.padEnd(12))} ${clean(value)}`);
  const heading = `original bytes (${letter.raw.length}; exactly: umbel dead show ${letter.id} --raw)`;
  return [...lines, '', output.dim(heading), bytesShown(letter.raw)].join('\n');
}

const shownBytes = 4096;

/** The bytes as text if they are UTF-8, else in hexadecimal. */
function bytesShown(raw: Uint8Array): string {
  const rest = raw.length > shownBytes ? `\n… and ${raw.length - shownBytes} bytes more` : '';
  const part = raw.subarray(0, shownBytes);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: true });
    return cleanLines(text) + rest;
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

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
