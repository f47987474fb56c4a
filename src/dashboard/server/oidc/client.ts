// What a provider knows of this dashboard. Types of the package reach this file: it imports no other package.
import { isLoopbackName } from '../../../http/loopback.ts';

export interface Client {
  readonly issuer: string;
  readonly id: string;
  /** Null: a public client, which has PKCE only. */
  readonly secret: string | null;
  readonly redirectUri: string;
}

/** https, or this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackName(hostname));
}
