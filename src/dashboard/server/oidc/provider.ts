// An OpenID Connect provider: its description (Discovery 1.0), the exchange of a code, and the check of an ID token (Core 1.0, section 3.1.3.7).
import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { ConfigError } from '../../../errors.ts';
import { Problem } from '../../../http/problem.ts';
import { type Client, isSafeUrl } from './client.ts';
import { challengeOf, type PendingLogin } from './pending-login.ts';

const description = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  jwks_uri: z.string(),
  token_endpoint_auth_methods_supported: z.array(z.string()).default(['client_secret_basic']),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
});

const tokens = z.object({ id_token: z.string().max(65_536) });

type Description = z.infer<typeof description>;

interface Known {
  readonly about: Description;
  readonly keys: JWTVerifyGetKey;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

/** A description is asked for again after this time. */
const freshMs = 3_600_000;
const timeoutMs = 10_000;
const maxBytes = 1_048_576;
/** Signatures with a public key only: with HS256 who knows the client's secret could sign, and `none` is none. */
const algorithms = ['RS256', 'ES256'];

export class Provider {
  readonly client: Client;
  #known: Known | null = null;

  constructor(client: Client) {
    this.client = client;
  }

  /** The provider's page for this login. @throws Problem 503, ConfigError */
  async authorizationUrl(pending: PendingLogin): Promise<string> {
    const { about } = await this.#describe();
    const url = new URL(about.authorization_endpoint);
    const parameters = {
      response_type: 'code',
      client_id: this.client.id,
      redirect_uri: this.client.redirectUri,
      scope: 'openid email profile',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: challengeOf(pending),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /**
   * The claims of the person who comes back with this code.
   * @throws Problem 401 when code, issuer or token is not right; 503 when the provider does not answer
   */
  async claimsOf(code: string, issuer: string | null, pending: PendingLogin): Promise<JWTPayload> {
    const { about, keys } = await this.#describe();
    // RFC 9207: a code of another provider must not be sent to this one.
    if (issuer === null ? about.authorization_response_iss_parameter_supported : issuer !== about.issuer)
      throw new Problem(401, 'the answer is of another provider than the configured one');
    const token = await this.#redeem(about, code, pending);
    let claims: JWTPayload;
    try {
      const verified = await jwtVerify(token, keys, {
        issuer: about.issuer,
        audience: this.client.id,
        algorithms,
        requiredClaims: ['sub', 'iat', 'exp', 'nonce'],
        clockTolerance: 60,
        maxTokenAge: 600,
      });
      claims = verified.payload;
    } catch (cause) {
      throw new Problem(401, 'the ID token of the provider is not valid; see the log', { cause });
    }
    const { aud, azp, nonce } = claims;
    if (nonce !== pending.nonce) throw new Problem(401, 'the ID token is of another login (nonce)');
    if (
      (Array.isArray(aud) && aud.length > 1 && azp === undefined) ||
      (azp ?? this.client.id) !== this.client.id
    )
      throw new Problem(401, 'the ID token is for another client (azp)');
    return claims;
  }

  /**
   * Tells at the start what is wrong with the issuer.
   * @throws ConfigError when something answers that is no such provider; Problem 503 when nothing answers
   */
  async check(): Promise<void> {
    await this.#describe();
  }

  async #describe(): Promise<Known> {
    if (this.#known !== null && performance.now() - this.#known.at < freshMs) return this.#known;
    const { issuer } = this.client;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { status, body } = await ask(url, { method: 'GET' });
    if (status >= 500) throw new Problem(503, `the provider ${issuer} answers ${status}`);
    const read = description.safeParse(body);
    if (status !== 200 || !read.success)
      throw new ConfigError(
        `${url} is no description of an OpenID Connect provider (status ${status}); check --oidc-issuer`,
      );
    const about = read.data;
    if (about.issuer !== issuer)
      throw new ConfigError(
        `${url} describes the issuer '${about.issuer}', not '${issuer}'; they must be equal, with or without '/' at the end`,
      );
    for (const each of [about.authorization_endpoint, about.token_endpoint, about.jwks_uri])
      if (!isSafeUrl(each)) throw new ConfigError(`${url} names '${each}', which is no https address`);
    const keys = createRemoteJWKSet(new URL(about.jwks_uri), { timeoutDuration: timeoutMs });
    this.#known = { about, keys, at: performance.now() };
    return this.#known;
  }

  async #redeem(about: Description, code: string, { verifier }: PendingLogin): Promise<string> {
    const { id, secret, redirectUri } = this.client;
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    });
    const headers = new Headers({ accept: 'application/json' });
    if (secret === null) form.set('client_id', id);
    else if (about.token_endpoint_auth_methods_supported.includes('client_secret_basic'))
      headers.set('authorization', `Basic ${btoa(`${formEncoded(id)}:${formEncoded(secret)}`)}`);
    else {
      form.set('client_id', id);
      form.set('client_secret', secret);
    }
    const { status, body } = await ask(about.token_endpoint, { method: 'POST', headers, body: form });
    if (status >= 500) throw new Problem(503, `the provider ${about.issuer} answers ${status}`);
    const read = tokens.safeParse(body);
    if (status === 200 && read.success) return read.data.id_token;
    const reason = z.object({ error: z.string().max(100) }).safeParse(body).data?.error ?? 'no reason';
    throw new Problem(
      401,
      `the provider does not accept the code of this login (status ${status}, ${reason})`,
    );
  }
}

/** RFC 6749, section 2.3.1: id and secret are form-encoded before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

/** Follows no redirect, since that could lead into the inner network. @throws Problem 503 */
async function ask(
  url: string,
  init: RequestInit,
): Promise<{ readonly status: number; readonly body: unknown }> {
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    const text = await limitedText(response);
    return { status: response.status, body: jsonOf(text) };
  } catch (cause) {
    throw new Problem(503, `the login provider does not answer (${new URL(url).host}); try again later`, {
      cause,
      headers: { 'Retry-After': '10' },
    });
  }
}

async function limitedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
