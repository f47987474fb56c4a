/**
 * Writes a value as JSON that every client can read. Dates become ISO 8601 text, and bytes base64. Decimal, Uuid and similar types become
 * their text. Bigints become text, because JavaScript clients would round them. NaN and Infinity become null.
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
