/**
 * Writes a value as JSON that every client reads: dates as ISO 8601 text, bytes as base64, Decimal, Uuid and the like as
 * their text, and so a bigint, which JavaScript would silently round if it were bare digits; NaN and Infinity, which JSON
 * has no word for, as null.
 */
export function toPlainJson(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `"${value}"`;
    case 'number':
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : objectToJson(value);
    default:
      return 'null';
  }
}

function objectToJson(value: object): string {
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if ('toJSON' in value && typeof value.toJSON === 'function') return toPlainJson(value.toJSON());
  if (Array.isArray(value)) return `[${value.map(toPlainJson).join(',')}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${toPlainJson(member)}`).join(',')}}`;
}
