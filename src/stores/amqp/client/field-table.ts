// Reading AMQP's field tables as RabbitMQ's clients really write them. amqplib knows not all of their types (py-amqp writes a large
// integer as `L`) and closes the connection at one that it does not know: a single message would keep a worker from its queue for ever.
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type Library from 'amqplib';
import { ConfigError } from '../../../errors.ts';

/**
 * Reads a table as a map, with amqplib's values. Never throws: a value of an unknown type, or an incomplete one, ends the reading, and the
 * values before it are returned.
 */
export function decodeFields(bytes: Buffer): Record<string, unknown> {
  const reader = new Reader(bytes);
  const fields: Record<string, unknown> = {};
  try {
    while (!reader.isOver) {
      const name = reader.text(reader.number(1));
      fields[name] = reader.value();
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return fields;
}

/** Whether the library has read a table so. */
let reads = false;
let library: typeof Library | null = null;

/**
 * The library, reading tables so: a copy of ours, so that nothing changes for others who use it, before us or after us.
 * @throws ConfigError the package is not there as it was installed
 */
export function amqplib(): typeof Library {
  library ??= ownCopy();
  return library;
}

function ownCopy(): typeof Library {
  const require = createRequire(import.meta.url);
  const { cache } = require;
  let folder: string;
  try {
    folder = dirname(require.resolve('amqplib')) + sep;
  } catch (cause) {
    throw new ConfigError(unusable, { cause });
  }
  /** Takes its modules out of the cache. */
  const takeOut = (): [string, NodeJS.Module][] => {
    const modules = Object.entries(cache).flatMap(([file, module]): [string, NodeJS.Module][] =>
      file.startsWith(folder) && module !== undefined ? [[file, module]] : [],
    );
    for (const [file] of modules) delete cache[file];
    return modules;
  };
  const others = takeOut();
  try {
    // Not among the package's exports: found by its place.
    const codec: { decodeFields: typeof decodeFields } = require(join(folder, 'lib', 'codec.js'));
    codec.decodeFields = (bytes) => {
      reads = true;
      return decodeFields(bytes);
    };
    return require(join(folder, 'channel_api.js')); // it remembers the codec's reader
  } catch (cause) {
    throw new ConfigError(unusable, { cause });
  } finally {
    takeOut();
    for (const [file, module] of others) cache[file] = module;
  }
}

/** To be asked when a connection is there: the server's greeting holds a table. @throws ConfigError the library has read it by itself */
export function checkFieldTables(): void {
  if (!reads) throw new ConfigError(unusable);
}

const unusable =
  'amqplib cannot be used as it is here: install it beside umbel, and leave it out of your bundle (external: ["amqplib"])';

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Reads an unsigned integer of `size` bytes. @throws RangeError */
  number(size: 1 | 2 | 4): number {
    const from = this.#advance(size);
    return this.#bytes.readUIntBE(from, size);
  }

  text(length: number): string {
    const from = this.#advance(length);
    return this.#bytes.toString('utf8', from, from + length);
  }

  /** @throws RangeError for an unknown type, and at the end of the bytes */
  value(): unknown {
    const type = this.text(1);
    switch (type) {
      case 'S':
        return this.text(this.number(4));
      case 'x':
        return this.#slice(this.number(4));
      case 'F':
        return decodeFields(this.#slice(this.number(4)));
      case 'A':
        return new Reader(this.#slice(this.number(4))).#rest();
      case 't':
        return this.number(1) !== 0;
      case 'V':
        return null;
      case 'b':
        return this.#bytes.readInt8(this.#advance(1));
      case 'B':
        return this.number(1);
      case 's': // RabbitMQ's; in the specification it is short text, which nobody writes
      case 'U':
        return this.#bytes.readInt16BE(this.#advance(2));
      case 'u':
        return this.number(2);
      case 'I':
        return this.#bytes.readInt32BE(this.#advance(4));
      case 'i':
        return this.number(4);
      case 'l': // as RabbitMQ and amqplib write it: signed
      case 'L':
        return exact(this.#bytes.readBigInt64BE(this.#advance(8)));
      case 'T':
        return { '!': 'timestamp', value: Number(this.#bytes.readBigUInt64BE(this.#advance(8))) };
      case 'f':
        return this.#bytes.readFloatBE(this.#advance(4));
      case 'd':
        return this.#bytes.readDoubleBE(this.#advance(8));
      case 'D': {
        const places = this.number(1);
        return { '!': 'decimal', value: { places, digits: this.number(4) } };
      }
      default:
        throw new RangeError(`the type '${type}' of a field is not known`);
    }
  }

  #rest(): unknown[] {
    const values: unknown[] = [];
    while (!this.isOver) values.push(this.value());
    return values;
  }

  #slice(length: number): Buffer {
    const from = this.#advance(length);
    return this.#bytes.subarray(from, from + length);
  }

  #advance(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw new RangeError('the table ends in the midst of a field');
    this.#at = from + length;
    return from;
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
