// The redelivery metadata of a message that came back: written before its bytes, so that it travels with the message through lists, also those
// that Python reads. kombu ignores it, as an unknown member of the envelope. It can be removed again exactly.

interface RedeliveryMetadata {
  /** The bytes as they were sent. */
  readonly raw: Buffer;
  readonly crashes: number;
  readonly deferrals: number;
  /** It was delivered before. */
  readonly redelivered: boolean;
  /** It was only deferred until its time (see `Delivery.isAnnounced`). */
  readonly announced: boolean;
}

const inEnvelope = /^\{"umbel":\[(\d+),(\d+)(,1)?\],/;
const beforeBytes = /^\0umbel:\[(\d+),(\d+)\]/;
const brace = Buffer.from('{');
const longest = 40;

const noMetadata = { crashes: 0, deferrals: 0, redelivered: false, announced: false } as const;

/** Separates the metadata from the message. */
export function splitMetadata(stored: Buffer): RedeliveryMetadata {
  // Nearly always: `{"body"…` or `{"…`, without metadata.
  if (stored[0] !== 0 && stored[2] !== 0x75) return { ...noMetadata, raw: stored };
  const head = stored.toString('latin1', 0, longest);
  const match = inEnvelope.exec(head) ?? beforeBytes.exec(head);
  if (match === null) return { ...noMetadata, raw: stored };
  const rest = stored.subarray(match[0].length);
  return {
    raw: match[0].startsWith('{') ? Buffer.concat([brace, rest]) : rest,
    crashes: Number(match[1]),
    deferrals: Number(match[2]),
    redelivered: match[3] === undefined,
    announced: match[3] !== undefined,
  };
}

/** Another envelope, with the metadata of a stored message. */
export function withMetadataOf(stored: Buffer, envelope: string): string {
  const [metadata] = inEnvelope.exec(stored.toString('latin1', 0, longest)) ?? [];
  return metadata === undefined ? envelope : metadata + envelope.slice(1);
}

/** The message as if a worker had given it back: no consumer defers it only because its eta has not come. */
export function markedAsReturned(stored: Buffer): Buffer {
  const { raw, crashes, deferrals } = splitMetadata(stored);
  const marks = `[${crashes},${deferrals}]`;
  return raw[0] === brace[0]
    ? Buffer.concat([Buffer.from(`{"umbel":${marks},`), raw.subarray(1)])
    : Buffer.concat([Buffer.from(`\0umbel:${marks}`), raw]);
}
