// Tests that need what this machine may lack: skipped with the reason, which the end of the run prints.
import { spawnSync } from 'node:child_process';

interface Skippable {
  skip(name: string, options: { readonly meta: object }, body: never, timeout?: never): unknown;
}

/** `needs(describe, noRedis)('title', …)`: as `describe`, or skipped for this reason. Also with `test` and `it`. */
export function needs<Api extends Skippable>(api: Api, missing: string | undefined): Api {
  if (missing === undefined) return api;
  const skipped = (name: string, ...rest: readonly unknown[]): unknown => {
    const body = rest.find((each) => typeof each === 'function');
    return api.skip(name, { meta: { reason: missing } }, body as never);
  };
  // Called as the API itself is; its other members (`each`, `only`) are not needed where it is skipped.
  return skipped as unknown as Api;
}

/** Why tests that start this program cannot run; undefined: it is there. With Debian's name of what to install. */
export function noProgram(name: string, argument: string, debianPackage: string): string | undefined {
  return spawnSync(name, [argument]).status === 0
    ? undefined
    : `no ${name} (apt-get install ${debianPackage})`;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Why it is skipped. */
    reason?: string;
  }
}
