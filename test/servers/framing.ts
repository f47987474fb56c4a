// Where one thing said on a connection ends and the next begins: as little of RESP and AMQP as it takes to count them.

/** One whole request or reply. */
export interface Unit {
  readonly bytes: Buffer;
  /** For people: `EVALSHA`, `basic.deliver`; of a reply on Redis its type. */
  readonly name: string;
  /** Not an answer to anything, and nothing that anybody waits for: not counted. */
  readonly idle: boolean;
}

/** Cuts one direction of one connection into units. What is incomplete is kept until the rest comes. */
export interface Framing {
  push(chunk: Buffer): Unit[];
}

export type Protocol = 'redis' | 'amqp' | 'bytes';

/** @throws RangeError when the stream is not what it is said to be */
export function framing(protocol: Protocol): Framing {
  if (protocol === 'bytes')
    return { push: (chunk) => [{ bytes: chunk, name: `${chunk.length} bytes`, idle: false }] };
  return new Units(protocol === 'redis' ? respUnit : amqpUnit);
}

/** The unit at the beginning of the bytes, or null when it is not all there. */
type Read = (
  bytes: Buffer,
) => { readonly length: number; readonly name: string; readonly idle: boolean } | null;

class Units implements Framing {
  readonly #read: Read;
  #rest: Buffer = Buffer.alloc(0);

  constructor(read: Read) {
    this.#read = read;
  }

  push(chunk: Buffer): Unit[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const units: Unit[] = [];
    for (;;) {
      const found = this.#rest.length === 0 ? null : this.#read(this.#rest);
      if (found === null) return units;
      const { length, name, idle } = found;
      units.push({ bytes: this.#rest.subarray(0, length), name, idle });
      this.#rest = this.#rest.subarray(length);
    }
  }
}

const respUnit: Read = (bytes) => {
  const end = respEnd(bytes, 0);
  return end === null ? null : { length: end, name: respName(bytes.subarray(0, end)), idle: false };
};

/** Where the value ends that begins there; null when it is not all there. */
function respEnd(bytes: Buffer, from: number): number | null {
  const newline = bytes.indexOf('\r\n', from);
  if (newline === -1) return null;
  const type = String.fromCharCode(bytes[from] ?? 0);
  const count = Number(bytes.toString('latin1', from + 1, newline));
  const next = newline + 2;
  switch (type) {
    case '$':
    case '=':
    case '!': {
      const end = count < 0 ? next : next + count + 2;
      return end > bytes.length ? null : end;
    }
    case '*':
    case '~':
    case '>':
      return respEnds(bytes, next, count);
    case '%':
      return respEnds(bytes, next, 2 * count);
    case '|': // an attribute of the value that follows
      return respEnds(bytes, next, 2 * count + 1);
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(':
      return next;
    default:
      throw new RangeError(`not RESP: ${JSON.stringify(bytes.toString('latin1', from, from + 20))}`);
  }
}

function respEnds(bytes: Buffer, from: number, count: number): number | null {
  let end: number | null = from;
  for (let n = 0; n < count && end !== null; n++) end = respEnd(bytes, end);
  return end;
}

function respName(unit: Buffer): string {
  // A request is an array of bulk strings, its command first.
  const command = /^\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/.exec(unit.toString('latin1', 0, 60))?.[1];
  return command?.toUpperCase() ?? unit.toString('latin1', 0, 1);
}

const protocolHeader = Buffer.from('AMQP');

const amqpUnit: Read = (bytes) => {
  if (bytes.length < 8) return null;
  if (bytes.subarray(0, 4).equals(protocolHeader)) return { length: 8, name: 'protocol header', idle: false };
  const [type, length] = [bytes.readUInt8(0), 7 + bytes.readUInt32BE(3) + 1];
  if (bytes.length < length) return null;
  if (bytes[length - 1] !== 0xce) throw new RangeError('not AMQP: a frame without its end');
  if (type === 1)
    return { length, name: methodName(bytes.readUInt16BE(7), bytes.readUInt16BE(9)), idle: false };
  return { length, name: ['header', 'body'][type - 2] ?? 'heartbeat', idle: type === 8 };
};

const classes: Readonly<Record<number, readonly [name: string, methods: Readonly<Record<number, string>>]>> =
  {
    10: [
      'connection',
      {
        10: 'start',
        11: 'start-ok',
        30: 'tune',
        31: 'tune-ok',
        40: 'open',
        41: 'open-ok',
        50: 'close',
        51: 'close-ok',
      },
    ],
    20: ['channel', { 10: 'open', 11: 'open-ok', 40: 'close', 41: 'close-ok' }],
    40: ['exchange', { 10: 'declare', 11: 'declare-ok', 30: 'bind', 31: 'bind-ok' }],
    50: ['queue', { 10: 'declare', 11: 'declare-ok', 20: 'bind', 21: 'bind-ok' }],
    60: [
      'basic',
      {
        10: 'qos',
        11: 'qos-ok',
        20: 'consume',
        21: 'consume-ok',
        30: 'cancel',
        31: 'cancel-ok',
        40: 'publish',
        50: 'return',
        60: 'deliver',
        70: 'get',
        71: 'get-ok',
        72: 'get-empty',
        80: 'ack',
        90: 'reject',
        120: 'nack',
      },
    ],
    85: ['confirm', { 10: 'select', 11: 'select-ok' }],
  };

function methodName(classId: number, methodId: number): string {
  const [name, methods] = classes[classId] ?? [String(classId), {}];
  return `${name}.${methods[methodId] ?? methodId}`;
}
