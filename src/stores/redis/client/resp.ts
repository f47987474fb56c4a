// Version 2 of Redis's protocol (RESP): commands to bytes, bytes to replies.

export type RedisArgument = string | Buffer;

/** An error within a list is a value like others. */
export type Reply = string | number | null | Buffer | ErrorReply | readonly Reply[];

/** The server's answer to a command that it does not carry out. */
export class ErrorReply extends Error {}

/** Writes commands one after the other into one buffer. */
export class CommandWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #end = 0;
  /** Buffers that were written to the socket and can be used again. */
  readonly #spare: Buffer[] = [];

  /** Bytes since the last {@link take}. */
  get length(): number {
    return this.#end;
  }

  add(args: readonly RedisArgument[]): void {
    this.#ensure(headerBytes);
    this.#count(star, args.length);
    for (const arg of args) {
      if (typeof arg !== 'string') this.#addBytes(arg);
      else if (arg.length > shortText || !this.#addShort(arg)) this.#addText(arg);
    }
  }

  /** The commands since the last call. The buffer is used again after a call of `written`. */
  take(): { readonly bytes: Buffer; readonly written: () => void } {
    const whole = this.#bytes;
    const bytes = whole.subarray(0, this.#end);
    this.#bytes = this.#spare.pop() ?? Buffer.allocUnsafeSlow(initialBytes);
    this.#end = 0;
    const written = (): void => {
      if (this.#spare.length < maxSpare && whole.length <= maxSpareBytes) this.#spare.push(whole);
    };
    return { bytes, written };
  }

  /** For ASCII: a loop is cheaper than a call of Node's. False: the text is not ASCII, and nothing was added. */
  #addShort(text: string): boolean {
    const { length } = text;
    this.#ensure(headerBytes + length);
    const before = this.#end;
    this.#count(dollar, length);
    const bytes = this.#bytes;
    let end = this.#end;
    for (let n = 0; n < length; n++) {
      const code = text.charCodeAt(n);
      if (code > 127) {
        this.#end = before;
        return false;
      }
      bytes[end++] = code;
    }
    this.#end = end;
    this.#endLine();
    return true;
  }

  /** Most texts are ASCII: only a long one is measured before it is written. */
  #addText(text: string): void {
    const isLong = text.length > maxUnmeasured;
    const length = isLong ? Buffer.byteLength(text) : text.length;
    this.#ensure(headerBytes + (isLong ? length : maxUtf8Bytes * length));
    const before = this.#end;
    this.#count(dollar, length);
    const written = this.#bytes.write(text, this.#end);
    if (written !== length) {
      this.#end = before;
      this.#count(dollar, written);
      this.#bytes.write(text, this.#end);
    }
    this.#end += written;
    this.#endLine();
  }

  #addBytes(bytes: Buffer): void {
    this.#ensure(headerBytes + bytes.length);
    this.#count(dollar, bytes.length);
    this.#end += bytes.copy(this.#bytes, this.#end);
    this.#endLine();
  }

  #count(kind: number, count: number): void {
    this.#bytes[this.#end++] = kind;
    const digits = count < 10 ? 1 : count < 100 ? 2 : count < 1000 ? 3 : String(count).length;
    let left = count;
    for (let n = digits - 1; n >= 0; n--) {
      this.#bytes[this.#end + n] = zero + (left % 10);
      left = Math.floor(left / 10);
    }
    this.#end += digits;
    this.#endLine();
  }

  #endLine(): void {
    this.#bytes[this.#end++] = carriageReturn;
    this.#bytes[this.#end++] = lineFeed;
  }

  #ensure(more: number): void {
    const needed = this.#end + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

const initialBytes = 16_384;
const maxSpare = 4;
const maxSpareBytes = 262_144;
/** The most that a length and two line ends take, bytes. */
const headerBytes = 32;
const shortText = 40;
/** The most that one UTF-16 code unit takes in UTF-8. */
const maxUtf8Bytes = 3;
const maxUnmeasured = 65_536;
const [star, dollar, zero, carriageReturn, lineFeed] = [0x2a, 0x24, 0x30, 0x0d, 0x0a] as const;
const [plus, minus, colon] = [0x2b, 0x2d, 0x3a] as const;

/** A list whose elements are being read. */
interface OpenList {
  readonly values: Reply[];
  readonly length: number;
}

/** Reads replies from pieces of any size; no byte is read twice. */
export class ReplyReader {
  readonly #onReply: (reply: Reply) => void;
  readonly #wantsBytes: () => boolean;
  #bytes: Buffer = nothing;
  #at = 0;
  /** Pieces of a long text after `#bytes`: they are joined when all are here. */
  #pieces: Buffer[] = [];
  #missing = 0;
  readonly #open: OpenList[] = [];
  #asBytes = false;

  /** @param wantsBytes called at the beginning of each reply: whether it holds Buffers instead of text */
  constructor(onReply: (reply: Reply) => void, wantsBytes: () => boolean) {
    this.#onReply = onReply;
    this.#wantsBytes = wantsBytes;
  }

  /** @throws Error when the bytes are not of this protocol. */
  read(piece: Buffer): void {
    if (this.#missing > piece.length) {
      this.#pieces.push(piece);
      this.#missing -= piece.length;
      return;
    }
    const rest = this.#at === this.#bytes.length ? nothing : this.#bytes.subarray(this.#at);
    this.#bytes =
      rest.length === 0 && this.#pieces.length === 0 ? piece : Buffer.concat([rest, ...this.#pieces, piece]);
    this.#at = 0;
    this.#pieces = [];
    this.#missing = 0;
    while (this.#at < this.#bytes.length) {
      if (this.#open.length === 0) this.#asBytes = this.#wantsBytes();
      const value = this.#next();
      if (value === undefined) return;
      this.#add(value);
    }
  }

  /** A value may be the last one of the lists around it. */
  #add(value: Reply): void {
    let whole = value;
    for (let list = this.#open.at(-1); list !== undefined; list = this.#open.at(-1)) {
      list.values.push(whole);
      if (list.values.length < list.length) return;
      this.#open.pop();
      whole = list.values;
    }
    this.#onReply(whole);
  }

  /** The next value; undefined: its end is not here yet. */
  #next(): Reply | undefined {
    for (;;) {
      const bytes = this.#bytes;
      const line = bytes.indexOf('\r\n', this.#at, 'latin1');
      if (line < 0) return undefined;
      const kind = bytes[this.#at];
      const from = this.#at + 1;
      const next = line + 2;
      switch (kind) {
        case plus:
          this.#at = next;
          return bytes.toString('utf8', from, line);
        case minus:
          this.#at = next;
          return new ErrorReply(bytes.toString('utf8', from, line));
        case colon:
          this.#at = next;
          return integer(bytes, from, line);
        case dollar: {
          const length = integer(bytes, from, line);
          if (length >= 0) return this.#text(next, length);
          this.#at = next;
          return null;
        }
        case star: {
          const length = integer(bytes, from, line);
          this.#at = next;
          if (length < 0) return null;
          if (length === 0) return [];
          this.#open.push({ values: [], length });
          break; // its first value is next
        }
        default:
          throw new Error(
            `this is no answer of Redis: ${JSON.stringify(bytes.toString('latin1', from - 1, line).slice(0, 40))}`,
          );
      }
    }
  }

  #text(from: number, length: number): Reply | undefined {
    const end = from + length;
    if (end + 2 > this.#bytes.length) {
      this.#missing = end + 2 - this.#bytes.length;
      return undefined;
    }
    this.#at = end + 2;
    // A copy: a small part would keep the whole piece in memory.
    return this.#asBytes
      ? Buffer.from(this.#bytes.subarray(from, end))
      : this.#bytes.toString('utf8', from, end);
  }
}

function integer(bytes: Buffer, from: number, end: number): number {
  // Most are of a few digits.
  if (end - from > 9 || bytes[from] === minus) return Number(bytes.toString('latin1', from, end));
  let value = 0;
  for (let at = from; at < end; at++) value = 10 * value + ((bytes[at] ?? zero) - zero);
  return value;
}

const nothing: Buffer = Buffer.alloc(0);
