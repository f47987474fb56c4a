/** JSON as Biome formats it: a list of texts is one line. */
export function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return `${text.replace(/\[\n\s*("[^[\]]*")\n\s*\]/g, (_, items: string) => `[${items.replace(/,\n\s*/g, ', ')}]`)}\n`;
}
