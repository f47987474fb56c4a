// A task in a worker's reply to `inspect registered`: its name, and in brackets what was asked of it: `mail.send [exchange=mail rate_limit=10/m]`.

/** The attribute by which Umbel's workers tell what a task takes. Python's tasks have none of this name. */
export const signatureItem = 'umbel_signature';

export interface RegisteredTask {
  readonly name: string;
  /** By the name of the attribute. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Takes any reply: what is no text is left out. */
export function readRegistered(reply: unknown): readonly RegisteredTask[] {
  const list: readonly unknown[] = Array.isArray(reply) ? reply : [];
  return list.flatMap((each) => (typeof each === 'string' ? [readRegisteredTask(each)] : []));
}

/** A name may have spaces and brackets; a value may have spaces. */
export function readRegisteredTask(text: string): RegisteredTask {
  const at = text.endsWith(']') ? text.search(/ \[[a-z_]\w*=/i) : -1;
  if (at < 0) return { name: text, attributes: {} };
  const pairs = text.slice(at + 2, -1).split(/ (?=[a-z_]\w*=)/i);
  const attributes = pairs.map((pair) => {
    const equals = pair.indexOf('=');
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  return { name: text.slice(0, at), attributes: Object.fromEntries(attributes) };
}

/** What the tasks take, by their names. */
export function signaturesOf(tasks: readonly RegisteredTask[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    tasks.flatMap(({ name, attributes }) => {
      const signature = attributes[signatureItem];
      return signature === undefined ? [] : [[name, signature]];
    }),
  );
}
