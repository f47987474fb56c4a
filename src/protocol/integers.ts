// Libraries return either all integers as bigints or none. Umbel uses a bigint only where a number would lose digits.

/**
 * Changes bigints that a number holds exactly into numbers, in place: the tree is fresh from a decoder. Bytes become
 * a plain Uint8Array of their own: what a decoder gives is a view that would keep the whole message in memory.
 */
export function smallIntegers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  return value instanceof Uint8Array ? new Uint8Array(value) : mapMembers(value, smallIntegers);
}

/** Changes the members of a list or plain map in place. */
export function mapMembers(value: unknown, change: (member: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date)
    return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = change(value[index]);
    return value;
  }
  for (const [key, member] of Object.entries(value)) {
    const changed = change(member);
    // Defined, not assigned: the key may be `__proto__`.
    if (changed !== member)
      Object.defineProperty(value, key, {
        value: changed,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return value;
}
