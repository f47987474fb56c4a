// Dead letters: list, show, replay and discard.
import { z } from 'zod';
import type { App } from '../../../app/app.ts';
import type { DeadLetter } from '../../../app/dead-letters.ts';
import { deadReasons } from '../../../stores/transport.ts';
import { plainName } from './checked.ts';

interface DeadLetterLine {
  readonly id: number;
  readonly queue: string;
  readonly reason: string;
  readonly detail: string;
  /** Milliseconds since 1970. */
  readonly diedAt: number;
  readonly crashes: number;
  /** Null: the message is not a valid task. */
  readonly task: string | null;
  readonly taskId: string | null;
  readonly args: string | null;
  readonly kwargs: string | null;
  readonly bytes: number;
}

export interface DeadLetterList {
  readonly letters: readonly DeadLetterLine[];
  readonly total: number;
  /** `before` of the next page; null: this is the last page. */
  readonly next: number | null;
}

export const deadLetterFilter = z.object({
  task: plainName(512).optional(),
  queue: plainName(255).optional(),
  reason: z.enum(deadReasons).optional(),
});

type Filter = z.infer<typeof deadLetterFilter>;

const pageSize = 50;

/** The newest first. @throws BrokerUnavailable */
export async function listDeadLetters(
  { deadLetters }: App,
  filter: Filter,
  before: number | null,
): Promise<DeadLetterList> {
  const letters: DeadLetterLine[] = [];
  for await (const letter of deadLetters.list({
    ...given(filter),
    limit: pageSize,
    ...(before !== null && { before }),
  }))
    letters.push(lineOf(letter));
  return {
    letters,
    total: await deadLetters.count(),
    next: letters.length < pageSize ? null : (letters.at(-1)?.id ?? null),
  };
}

export interface DeadLetterPage {
  readonly letter: DeadLetterLine;
  readonly origin: string | null;
  readonly retries: number | null;
  /** The start of the original bytes, as text or in hexadecimal. */
  readonly content: string;
  readonly isText: boolean;
  readonly isCut: boolean;
}

const shownBytes = 16_384;

/** Undefined: there is no such dead letter. */
export async function showDeadLetter({ deadLetters }: App, id: number): Promise<DeadLetterPage | undefined> {
  const letter = await deadLetters.get(id);
  if (letter === undefined) return undefined;
  const shown = letter.raw.subarray(0, shownBytes);
  const text = textOf(shown);
  return {
    letter: lineOf(letter),
    origin: letter.call?.origin ?? null,
    retries: letter.call?.retries ?? null,
    content: text ?? Buffer.from(shown).toString('hex').replace(/.{64}/g, '$&\n'),
    isText: text !== null,
    isCut: letter.raw.length > shownBytes,
  };
}

interface DeadLettersDone {
  readonly done: number;
  /** Number of letters that no longer existed. */
  readonly missing: number;
}

/** @throws BrokerUnavailable, NotReplayableError */
export async function changeDeadLetters(
  { deadLetters }: App,
  verb: 'replay' | 'discard',
  ids: readonly number[],
  signal: AbortSignal,
): Promise<DeadLettersDone> {
  const { done, missing } = await deadLetters[verb](ids, { signal });
  return { done: done.length, missing: missing.length };
}

function given({ task, queue, reason }: Filter): {
  task?: string;
  queue?: string;
  reason?: NonNullable<Filter['reason']>;
} {
  return {
    ...(task !== undefined && { task }),
    ...(queue !== undefined && { queue }),
    ...(reason !== undefined && { reason }),
  };
}

function lineOf({ id, queue, reason, detail, diedAt, crashes, call, raw }: DeadLetter): DeadLetterLine {
  return {
    id,
    queue,
    reason,
    detail,
    diedAt: diedAt.getTime(),
    crashes,
    task: call?.task ?? null,
    taskId: call?.id ?? null,
    args: call?.argsrepr ?? null,
    kwargs: call?.kwargsrepr ?? null,
    bytes: raw.length,
  };
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return null;
  }
}
