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

/** Decompresses a body, and stops as soon as it grows beyond `maxSize` bytes. Total. */
export function decompress(body: Uint8Array, name: unknown, maxSize: number): Decoded<Uint8Array> {
  if (typeof name !== 'string')
    return refuse('compression', `the header 'compression' is ${kindOf(name)}, not text`);
  const method = methods.get(name);
  if (method === undefined) return refuse('compression', `the compression '${name.slice(0, 80)}' is unknown`);
  if (method.decompress === undefined)
    return refuse('compression', `cannot decompress '${name}': ${method.missing}`);
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
  readonly mime: string;
  readonly compress?: (body: Uint8Array) => Uint8Array;
  readonly decompress?: (body: Uint8Array, maxOutputLength: number) => Uint8Array;
  /** Why one of the two is not there. */
  readonly missing?: string;
}

/** Only some of the runtimes that we support have zstd; the types are of the oldest (hence a cast). */
interface Zstd {
  readonly zstdCompressSync?: (body: Uint8Array) => Uint8Array;
  readonly zstdDecompressSync?: (body: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
}

const methods: ReadonlyMap<string, Method> = new Map(
  [
    {
      // kombu's "gzip" is zlib's own format (RFC 1950). Real gzip, as other languages may send, is read as well.
      mime: 'application/x-gzip',
      names: ['gzip', 'zlib'],
      compress: (body: Uint8Array) => zlib.deflateSync(body),
      decompress: (body: Uint8Array, maxOutputLength: number) => zlib.unzipSync(body, { maxOutputLength }),
    },
    {
      mime: 'application/x-brotli',
      names: ['brotli'],
      compress: (body: Uint8Array) =>
        // Quality 4 is as fast as zlib; the default, 11, takes a hundred times as long.
        zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
      decompress: (body: Uint8Array, maxOutputLength: number) =>
        zlib.brotliDecompressSync(body, { maxOutputLength }),
    },
    { mime: 'application/zstd', names: ['zstd', 'zstandard'], ...zstd(zlib as Zstd) },
    {
      mime: 'application/x-bz2',
      names: ['bzip2', 'bzip'],
      decompress: decompressBzip2,
      missing: "bzip2 is only read here; send with 'zlib' or 'brotli'",
    },
    {
      mime: 'application/x-lzma',
      names: ['lzma', 'xz'],
      missing: "lzma is not supported; use 'zlib', 'brotli' or 'zstd' on the sending side",
    },
  ].flatMap(({ names, ...method }: Method & { names: string[] }) =>
    [method.mime, ...names].map((name): [string, Method] => [name, method]),
  ),
);

function zstd(runtime: Zstd): Omit<Method, 'mime'> {
  const { zstdCompressSync: write, zstdDecompressSync: read } = runtime;
  if (write === undefined || read === undefined) return { missing: 'zstd needs Node 22.15 or later' };
  return {
    compress: (body) => write(body),
    decompress: (body, maxOutputLength) => read(body, { maxOutputLength }),
  };
}
