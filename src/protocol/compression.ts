// Compression of bodies, by the mime types that kombu writes into the header `compression`.
import zlib from 'node:zlib';
import { ConfigError } from '../errors.ts';
import { suggest } from '../lib/suggest.ts';
import { decompressBzip2, TooMuchOutput } from './bzip2.ts';
import type { Decoded } from './message.ts';
import { accept, kindOf, refuse } from './refusal.ts';

/**
 * Compresses a body. `name` is kombu's name or mime type.
 * @throws ConfigError when the name is unknown, or this runtime cannot write it.
 */
export function compress(
  body: Uint8Array,
  name: string,
): { readonly body: Uint8Array; readonly mime: string } {
  const method = methods.get(name);
  if (method === undefined) {
    const hint = suggest(name, methods.keys());
    throw new ConfigError(
      `unknown compression '${name}'${hint ? `; did you mean '${hint}'?` : ' (zlib, brotli, zstd)'}`,
    );
  }
  if (method.compress === undefined)
    throw new ConfigError(`cannot compress with '${name}': ${method.missing}`);
  return { body: method.compress(body), mime: method.mime };
}

/** The compressions that are read by default: all but bzip2, since a small bzip2 text takes long to read. */
export const standardCompressions: readonly string[] = ['gzip', 'brotli', 'zstd'];

/**
 * kombu's name of a compression that can be read, from any of its names.
 * @throws ConfigError for other compressions.
 */
export function readableCompression(given: string): string {
  const method = methods.get(given);
  if (method?.decompress !== undefined || method?.name === 'zstd') return method.name;
  const names = [
    ...new Set([...methods.values()].filter((each) => each.decompress).map((each) => each.name)),
  ];
  const hint = suggest(given, names);
  throw new ConfigError(
    `the compression '${given}' cannot be read${hint ? `; did you mean '${hint}'?` : ` (${names.join(', ')})`}`,
  );
}

/**
 * Decompresses a body, and stops as soon as it grows beyond `maxSize` bytes. `accepted`: the names of the compressions that are read. Never
 * throws.
 */
export function decompress(
  body: Uint8Array,
  name: unknown,
  maxSize: number,
  accepted: readonly string[] = standardCompressions,
): Decoded<Uint8Array> {
  if (typeof name !== 'string')
    return refuse('compression', `the header 'compression' is ${kindOf(name)}, not text`);
  const method = methods.get(name);
  if (method === undefined) return refuse('compression', `the compression '${name.slice(0, 80)}' is unknown`);
  if (method.decompress === undefined)
    return refuse('compression', `cannot decompress '${name}': ${method.missing}`);
  if (!accepted.some((each) => methods.get(each) === method)) {
    return refuse(
      'compression',
      `the compression '${method.name}' is not accepted; add it to acceptCompression (${accepted.join(', ')})`,
    );
  }
  if (method.maxInput !== undefined && body.length > method.maxInput) {
    return refuse('too-large', `the body has ${body.length} bytes; of '${name}' ${method.maxInput} are read`);
  }
  try {
    return accept(method.decompress(body, maxSize));
  } catch (error) {
    if (
      error instanceof TooMuchOutput ||
      (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
    ) {
      return refuse('too-large', `the body is larger than ${maxSize} bytes when decompressed`);
    }
    return refuse('compression', `the body is not '${name}', or it is damaged`);
  }
}

interface Method {
  /** kombu's name. */
  readonly name: string;
  readonly mime: string;
  readonly compress?: (body: Uint8Array) => Uint8Array;
  readonly decompress?: (body: Uint8Array, maxOutputLength: number) => Uint8Array;
  /** Most bytes that are decompressed. More would block the event loop for too long. */
  readonly maxInput?: number;
  /** The reason why `write` or `read` is missing. */
  readonly missing?: string;
}

/** Only newer supported runtimes have zstd. Our types are those of the oldest, hence a cast. */
interface Zstd {
  readonly zstdCompressSync?: (body: Uint8Array) => Uint8Array;
  readonly zstdDecompressSync?: (body: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
}

const methods: ReadonlyMap<string, Method> = new Map(
  [
    {
      // kombu's "gzip" is zlib's own format (RFC 1950). Real gzip, as other languages may send, is read as well.
      mime: 'application/x-gzip',
      name: 'gzip',
      aliases: ['zlib'],
      compress: (body: Uint8Array) => zlib.deflateSync(body),
      decompress: (body: Uint8Array, maxOutputLength: number) => zlib.unzipSync(body, { maxOutputLength }),
    },
    {
      mime: 'application/x-brotli',
      name: 'brotli',
      aliases: [],
      compress: (body: Uint8Array) =>
        // Quality 4 is as fast as zlib; the default, 11, takes a hundred times as long.
        zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
      decompress: (body: Uint8Array, maxOutputLength: number) =>
        zlib.brotliDecompressSync(body, { maxOutputLength }),
    },
    { mime: 'application/zstd', name: 'zstd', aliases: ['zstandard'], ...zstd(zlib as Zstd) },
    {
      mime: 'application/x-bz2',
      name: 'bzip2',
      aliases: ['bzip'],
      decompress: decompressBzip2,
      maxInput: 1024 * 1024, // half a second
      missing: "bzip2 is only read here; send with 'zlib' or 'brotli'",
    },
    {
      mime: 'application/x-lzma',
      name: 'lzma',
      aliases: ['xz'],
      missing: "lzma is not supported; use 'zlib', 'brotli' or 'zstd' on the sending side",
    },
  ].flatMap(({ aliases, ...method }: Method & { aliases: string[] }) =>
    [method.mime, method.name, ...aliases].map((name): [string, Method] => [name, method]),
  ),
);

function zstd(runtime: Zstd): Omit<Method, 'mime' | 'name'> {
  const { zstdCompressSync: write, zstdDecompressSync: read } = runtime;
  if (write === undefined || read === undefined) return { missing: 'zstd needs Node 22.15 or later' };
  return {
    compress: (body) => write(body),
    decompress: (body, maxOutputLength) => read(body, { maxOutputLength }),
  };
}
