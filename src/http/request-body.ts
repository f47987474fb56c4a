import { decodeJsonBytes } from '../protocol/json.ts';
import { defaultLimits } from '../protocol/limits.ts';
import { Problem } from './problem.ts';

interface JsonBody {
  /** `undefined`: the request has no body. */
  readonly value: unknown;
  readonly bytes: Uint8Array;
}

/**
 * Reads a JSON body of at most `maxSize` bytes. Integers beyond 2^53 become bigints. `anyType`: accept any Content-Type.
 * @throws Problem 400, 413, 415
 */
export async function readJson(
  request: Request,
  maxSize: number,
  { anyType = false }: { readonly anyType?: boolean } = {},
): Promise<JsonBody> {
  const bytes = await readBytes(request, maxSize);
  if (bytes.length === 0) return { value: undefined, bytes };
  if (!anyType) checkType(request.headers.get('content-type'));
  const decoded = decodeJsonBytes(bytes, { ...defaultLimits, maxSize });
  if (decoded.ok) return { value: decoded.value, bytes };
  const { reason, detail } = decoded.refusal;
  throw new Problem(reason === 'too-large' ? 413 : 400, `the body is ${detail}`);
}

/**
 * Reads a body of at most `maxSize` bytes. Larger bodies are refused without reading the rest.
 * @throws Problem 413, 415
 */
export async function readBytes(request: Request, maxSize: number): Promise<Uint8Array> {
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new Problem(
      415,
      `a body with Content-Encoding '${shown(encoding)}' is not supported; send it unencoded`,
      {
        headers: { 'Accept-Encoding': 'identity' },
      },
    );
  }
  if (Number(request.headers.get('content-length') ?? 0) > maxSize) throw tooLarge(maxSize);
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the stream: bytes above the limit are never read.
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > maxSize) throw tooLarge(maxSize);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function checkType(header: string | null): void {
  const [type = '', ...parameters] = (header ?? '').toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset="?([^"]*)"?\s*$/.exec(parameter)?.[1])
    .find(Boolean);
  const isJson = /^\s*application\/(?:[\w.-]+\+)?json\s*$/.test(type);
  if (isJson && (charset === undefined || charset === 'utf-8')) return;
  throw new Problem(
    415,
    `the body must be JSON in UTF-8: Content-Type: application/json, not '${shown(header ?? '')}'`,
    {
      headers: { Accept: 'application/json' },
    },
  );
}

function tooLarge(maxSize: number): Problem {
  return new Problem(
    413,
    `the body is larger than ${maxSize} bytes; store the data elsewhere and send its id`,
  );
}

function shown(text: string): string {
  return text.slice(0, 100);
}
