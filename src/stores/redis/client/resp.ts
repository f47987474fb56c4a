// Version 2 of Redis's protocol, as much of it as calling scripts takes.

/** An error within a list is a value like others. */
export type Reply = string | number | null | ErrorReply | readonly Reply[];

/** What the server says when it does not do it. */
export class ErrorReply extends Error {}

/** A command as the server reads it. */
export function commandText(args: readonly string[]): string {
  const each = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return `*${args.length}\r\n${each.join('')}`;
}

/** The reply that begins at `at`, and where it ends; null: it is not all here. */
export function readReply(bytes: Buffer, at: number): { readonly value: Reply; readonly end: number } | null {
  const line = bytes.indexOf('\r\n', at);
  if (line < 0) return null;
  const head = bytes.toString('utf8', at + 1, line);
  const end = line + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '+':
      return { value: head, end };
    case '-':
      return { value: new ErrorReply(head), end };
    case ':':
      return { value: Number(head), end };
    case '$': {
      const length = Number(head);
      if (length < 0) return { value: null, end };
      if (bytes.length < end + length + 2) return null;
      return { value: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    default:
      return readList(bytes, end, Number(head));
  }
}

function readList(bytes: Buffer, from: number, length: number): ReturnType<typeof readReply> {
  const value: Reply[] = [];
  let end = from;
  while (value.length < length) {
    const each = readReply(bytes, end);
    if (each === null) return null;
    value.push(each.value);
    end = each.end;
  }
  return { value, end };
}
