// What record.py recorded, read.
import { readFileSync } from 'node:fs';

/** One message as Python sent it. */
export interface RecordedMessage {
  readonly name: string;
  readonly raw: string;
  readonly about: {
    readonly task: string;
    readonly id: string;
    readonly argsrepr: string;
    readonly kwargsrepr: string;
  } | null;
}

interface Recorded {
  readonly messages: readonly RecordedMessage[];
  readonly results: readonly { readonly name: string; readonly text: string }[];
  readonly signatures: Readonly<Record<string, string>>;
  readonly reprs: readonly { readonly value: string; readonly tuple: boolean; readonly repr: string }[];
}

/** The part of the recordings that lies in the file of that name. */
export function recorded<K extends keyof Recorded>(part: K): Recorded[K] {
  const file = new URL(`../fixtures/python/${part}.json`, import.meta.url);
  const content: Recorded = JSON.parse(readFileSync(file, 'utf8'));
  return content[part];
}

/** The bytes of the recorded message of that name. */
export function recordedMessage(name: string): Uint8Array {
  const found = recorded('messages').find((message) => message.name === name);
  if (found === undefined) throw new Error(`no recorded message '${name}'`);
  return Buffer.from(found.raw, 'base64');
}
