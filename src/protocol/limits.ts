// How much a decoder takes in. A message is written by somebody else: nothing in it may cost more than its size allows.

/** The bounds of one decoding. Beyond each of them the answer is a refusal, `too-large`. */
export interface DecodeLimits {
  /** Bytes of the body, after decompression too. */
  readonly maxSize: number;
  /** Containers within containers. Python itself gives up near 1,000. */
  readonly maxDepth: number;
  /** Keys of all maps together. */
  readonly maxKeys: number;
  /** Members of all lists and maps together. */
  readonly maxValues: number;
  /** Digits of one integer, as in Python (`sys.set_int_max_str_digits`): reading more takes more than linear time. */
  readonly maxDigits: number;
}

/** The bounds if nothing else is said. `maxSize` is the setting `maxMessageSize`. */
export const defaultLimits: DecodeLimits = {
  maxSize: 10 * 1024 * 1024,
  maxDepth: 500,
  maxKeys: 1_000_000,
  maxValues: 5_000_000,
  maxDigits: 4_300,
};

/** How deep a value may be that we send: what is decoded later stands inside a body, and that in a signature. */
export const maxDepthSent = 480;

/** How many values one message that we send may have. Stops a web of shared references, which is a tree when written. */
export const maxValuesSent = 5_000_000;
