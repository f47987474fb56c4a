// Certificates for tests, made by openssl: an authority, a server and a client that it vouches for, and an authority that is a stranger.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noProgram } from '../needs.ts';

export const noOpenssl: string | undefined = noProgram('openssl', 'version', 'openssl');

/** Paths of PEM files. */
export interface Certificates extends Disposable {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
  /** An authority that has signed neither. */
  readonly stranger: string;
}

/** The server is `localhost` and 127.0.0.1. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-certificates-'));
  const at = (file: string): string => join(folder, file);
  const openssl = (line: string): void => {
    const run = spawnSync('openssl', line.split(' '), { cwd: folder, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(run.stderr);
  };
  const key = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  for (const name of ['ca', 'stranger'])
    openssl(`${key} -x509 -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`);
  for (const [name, subject] of [
    ['server', 'localhost'],
    ['client', 'worker'],
  ]) {
    openssl(`${key} -subj /CN=${subject} -keyout ${name}.key -out ${name}.csr`);
    openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out ${name}.pem`,
    );
  }
  const pair = (name: string): { cert: string; key: string } => ({
    cert: at(`${name}.pem`),
    key: at(`${name}.key`),
  });
  return {
    ca: at('ca.pem'),
    server: pair('server'),
    client: pair('client'),
    stranger: at('stranger.pem'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
