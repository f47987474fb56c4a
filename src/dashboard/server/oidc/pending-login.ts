// A login that has begun and not ended is kept by the browser, encrypted: strangers who begin thousands of logins fill no memory here.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

const pendingLogin = z.object({
  /** Comes back with the code; a page of another site cannot know it. */
  state: z.string(),
  /** Comes back in the ID token. */
  nonce: z.string(),
  /** The secret of PKCE (RFC 7636). */
  verifier: z.string(),
  /** The path to return to. */
  next: z.string(),
  /** Milliseconds of a monotonic clock. */
  until: z.number(),
});

export type PendingLogin = z.infer<typeof pendingLogin>;

/** How long a person may take at the provider's page. */
export const pendingSeconds = 600;

export function newPendingLogin(next: string, now: number): PendingLogin {
  const secret = (): string => randomBytes(32).toString('base64url');
  return { state: secret(), nonce: secret(), verifier: secret(), next, until: now + pendingSeconds * 1_000 };
}

export function challengeOf({ verifier }: PendingLogin): string {
  return createHash('sha256').update(verifier).digest('base64url');
}

/** AES-256-GCM: nonce (12 bytes), tag (16), text. */
export class Sealer {
  readonly #key = randomBytes(32);

  seal(pending: PendingLogin): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const text = Buffer.concat([cipher.update(JSON.stringify(pending)), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url');
  }

  /** Null: not sealed by this process, or changed, or too old. */
  open(sealed: string, now: number): PendingLogin | null {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < 28) return null;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12), {
        authTagLength: 16,
      });
      decipher.setAuthTag(bytes.subarray(12, 28));
      const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
      const pending = pendingLogin.parse(JSON.parse(text.toString('utf8')));
      return pending.until > now ? pending : null;
    } catch {
      return null;
    }
  }
}
