// The limits of decoders. Another program wrote the message, so the cost of reading it must be in proportion to its size.

/** The limits of one decoding. A message that exceeds one of them is refused as `too-large`. */
export interface DecodeLimits {
  /** Bytes of the body, after decompression too. */
  readonly maxSize: number;
  /** Levels of nested lists and maps. Python itself fails near 1,000. */
  readonly maxDepth: number;
  /** Keys of all maps together. */
  readonly maxKeys: number;
  /** Members of all lists and maps together. */
  readonly maxValues: number;
  /** Digits of one integer, as in Python (`sys.set_int_max_str_digits`): the time to read an integer is not linear in its digits. */
  readonly maxDigits: number;
}

/** The default limits. The setting `maxMessageSize` changes `maxSize`. */
export const defaultLimits: DecodeLimits = {
  maxSize: 10 * 1024 * 1024,
  maxDepth: 500,
  maxKeys: 1_000_000,
  maxValues: 5_000_000,
  maxDigits: 4_300,
};

/** Nesting of a value that we send. It is below the limit of decoding, since the value is sent inside a body, and perhaps inside a signature. */
export const maxDepthSent = 480;

/** Values in one message that we send. The limit stops objects with many shared references, which are repeated when they are written. */
export const maxValuesSent = 5_000_000;
