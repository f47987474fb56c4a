import { hostname, userInfo } from 'node:os';

/** Who runs this process, for records of who did what: `ann@web1`. */
export function processOwner(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `${process.getuid?.() ?? '?'}@${hostname()}`; // a container whose user has no name
  }
}
