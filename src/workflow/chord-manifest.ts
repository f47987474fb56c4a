// What the store keeps of an open chord, so that people can repair it: the messages of its members, which have all of it, may be gone.
import { decodeJson, encodeJson } from '../protocol/json.ts';
import type { WireSignature } from '../protocol/message.ts';
import { readSignature } from './construct.ts';

export interface ChordManifest {
  /** As the messages of its members carry it; it may be a reference. */
  readonly body: WireSignature;
  readonly rootId: string;
  /** Ids of the tasks that are counted, in the order of their results. Empty: there are too many. */
  readonly members: readonly string[];
}

/** Of chords with more members the ids are not kept: some 400 KB. */
const maxMembers = 10_000;

/** Undefined: the body has a value that JSON cannot hold. */
export function writeManifest({ body, rootId, members }: ChordManifest): string | undefined {
  try {
    return encodeJson({ body, rootId, members: members.length > maxMembers ? [] : members });
  } catch {
    return undefined; // the chord runs all the same
  }
}

/** Null: there is none that can be read. */
export function readManifest(text: string | null): ChordManifest | null {
  const read = text === null ? null : decodeJson(text);
  if (!read?.ok || typeof read.value !== 'object' || read.value === null) return null;
  const { body, rootId, members } = read.value as Readonly<Record<string, unknown>>; // it is an object
  if (typeof rootId !== 'string' || !Array.isArray(members)) return null;
  try {
    return { body: readSignature(body, 'the body of the chord'), rootId, members: members.map(String) };
  } catch {
    return null;
  }
}
