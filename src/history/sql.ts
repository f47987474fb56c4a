// SQL whose values are bound: what people write becomes a value, and never a part of the text.

type SqlParameter = string | number | null;

/** A piece of SQL. Each `?` is one of its values, in their order. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SqlParameter[];
}

/**
 * Pieces are put in as they are; all else is bound.
 * @example sql`${column} = ${name}` // column = sqlName('name')
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly (Sql | SqlParameter)[]): Sql {
  let text = strings[0] ?? '';
  const values: SqlParameter[] = [];
  for (const [index, part] of parts.entries()) {
    if (part !== null && typeof part === 'object') {
      text += part.text;
      values.push(...part.values);
    } else {
      text += '?';
      values.push(part);
    }
    text += strings[index + 1] ?? '';
  }
  return { text, values };
}

/** A name of our own: of a column, of an order. */
export function sqlName(name: string): Sql {
  if (!/^[A-Za-z_.]+$/.test(name)) throw new TypeError(`'${name}' is no name for SQL`);
  return { text: name, values: [] };
}

export function sqlJoined(pieces: readonly Sql[], between: string): Sql {
  return {
    text: pieces.map(({ text }) => text).join(between),
    values: pieces.flatMap(({ values }) => values),
  };
}
