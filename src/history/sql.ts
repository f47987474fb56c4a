// SQL with bound values: user input becomes a value, never a part of the SQL text.

type SqlParameter = string | number | null;

/** A piece of SQL. Each `?` stands for the next of its values. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SqlParameter[];
}

/**
 * Pieces of SQL are inserted as they are; every other value is bound.
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

/** A name that the program chooses (of a column or a direction), never user input. */
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
