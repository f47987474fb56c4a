import { createHash } from 'node:crypto';

/** A Lua script. It is called by its SHA-1, and sent whole when the server does not know it, or not any more. */
export interface RedisScript {
  /** For people who read errors. */
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

export function redisScript(name: string, source: string): RedisScript {
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}
