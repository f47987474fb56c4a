// An OpenID Connect provider for tests: a real HTTP server with keys, which logs everybody in as `person`, in a browser by a link, and can be told
// to lie.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { onTestFinished } from 'vitest';

export const client = { id: 'umbel', secret: 'quiet:secret+' };

/** Made once, since RSA keys take long. */
const keys = { RS256: await generateKeyPair('RS256'), ES256: await generateKeyPair('ES256') };
const foreign = await generateKeyPair('RS256');

export class TestProvider {
  issuer = '';
  alg: 'RS256' | 'ES256' = 'RS256';
  person: JWTPayload = { sub: 'u1', email: 'Ann@Example.com', email_verified: true };
  /** Claims that replace the right ones. */
  lies: Record<string, unknown> = {};
  /** Signs by a key that is not published; `none`: does not sign. */
  signs: 'right' | 'foreign' | 'none' | 'hmac' = 'right';
  /** What its description says instead. */
  description: Record<string, unknown> = {};
  /** How many codes were redeemed. */
  redeemed = 0;
  readonly #codes = new Map<string, URLSearchParams>();

  async start(): Promise<this> {
    const jwks = {
      keys: await Promise.all(
        (['RS256', 'ES256'] as const).map(async (alg) => ({
          ...(await exportJWK(keys[alg].publicKey)),
          alg,
          kid: alg,
        })),
      ),
    };
    const server = createServer(async (request, response) => {
      const url = new URL(request.url ?? '/', this.issuer);
      const json = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      if (url.pathname === '/.well-known/openid-configuration')
        return json(200, {
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/jwks`,
          ...this.description,
        });
      if (url.pathname === '/jwks') return json(200, jwks);
      if (url.pathname === '/authorize') {
        const back = this.approve(url.href).href.replaceAll('&', '&amp;');
        response.writeHead(200, { 'content-type': 'text/html' });
        return response.end(`<!doctype html><title>Provider</title><a href="${back}">Log in here</a>`);
      }
      if (url.pathname !== '/token') return json(404, {});
      let text = '';
      for await (const chunk of request) text += chunk;
      const form = new URLSearchParams(text);
      const code = form.get('code') ?? '';
      const asked = this.#codes.get(code);
      this.#codes.delete(code);
      const [id, secret] = atob(request.headers.authorization?.slice(6) ?? '')
        .split(':')
        .map((each) => new URLSearchParams(`_=${each}`).get('_'));
      if (id !== client.id || secret !== client.secret) return json(401, { error: 'invalid_client' });
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      if (
        asked?.get('code_challenge') !== challenge ||
        asked.get('code_challenge_method') !== 'S256' ||
        asked.get('redirect_uri') !== form.get('redirect_uri')
      )
        return json(400, { error: 'invalid_grant' });
      this.redeemed++;
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: this.issuer,
        aud: client.id,
        iat: now,
        exp: now + 300,
        nonce: asked.get('nonce'),
        ...this.person,
        ...this.lies,
      };
      const signed = new SignJWT(claims).setProtectedHeader({ alg: this.alg, kid: this.alg });
      const token = {
        right: () => signed.sign(keys[this.alg].privateKey),
        foreign: () => signed.sign(foreign.privateKey),
        none: () => Promise.resolve(new UnsecuredJWT(claims).encode()),
        hmac: () =>
          new SignJWT(claims)
            .setProtectedHeader({ alg: 'HS256' })
            .sign(new TextEncoder().encode(client.secret.padEnd(32, '.'))),
      }[this.signs];
      json(200, { token_type: 'Bearer', access_token: 'opaque', id_token: await token() });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo; // it listens on a port
    this.issuer = `http://127.0.0.1:${port}`;
    return this;
  }

  /** The person logs in there: the address to which the provider sends the browser back. */
  approve(location: string): URL {
    const asked = new URL(location).searchParams;
    const code = randomUUID();
    this.#codes.set(code, asked);
    const back = new URL(asked.get('redirect_uri') ?? '');
    back.search = new URLSearchParams({ code, state: asked.get('state') ?? '' }).toString();
    return back;
  }
}
