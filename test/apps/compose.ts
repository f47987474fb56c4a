// The compose.yaml of an example: what it says, what docker-compose reads in it, and its programs as plain processes.
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { childOf } from '../child-of.ts';
import { noProgram } from '../needs.ts';
import { until, within } from '../until.ts';

export const noCompose: string | undefined = noProgram('docker-compose', 'version', 'docker-compose');

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly depends_on?: object;
  readonly healthcheck?: { readonly test: readonly string[] };
}

export function readCompose(example: string): { readonly services: Readonly<Record<string, Service>> } {
  return parse(readFileSync(join(example, 'compose.yaml'), 'utf8'), { merge: true });
}

/** .env.example has every variable that compose.yaml takes from .env, and no secret. */
export function expectWholeEnvExample(example: string, secrets: readonly string[]): void {
  const [compose, env] = ['compose.yaml', '.env.example'].map((path) =>
    readFileSync(join(example, path), 'utf8'),
  );
  const asked = new Set([...(compose ?? '').matchAll(/[^$]\$\{(\w+)/g)].map(([, name = '']) => name));
  const variables = [...(env ?? '').matchAll(/^(\w+)=/gm)].map(([, name = '']) => name);
  expect(new Set(variables)).toEqual(asked);
  for (const secret of secrets) expect(env).toContain(`\n${secret}=\n`);
}

/** What `docker-compose config` prints. */
export interface Config {
  readonly services: Readonly<
    Record<string, { ports?: string[]; networks: object; build: { context: string } } & object>
  >;
  readonly networks: Readonly<Record<string, object>>;
}

/** `docker-compose config` with .env.example and these variables. It needs no Docker. */
export function composeConfig(
  example: string,
  files: readonly string[],
  env: Readonly<Record<string, string>>,
): SpawnSyncReturns<string> {
  return spawnSync(
    'docker-compose',
    ['--env-file', '.env.example', ...files.flatMap((file) => ['-f', file]), 'config'],
    { cwd: example, encoding: 'utf8', env: { PATH: process.env.PATH, ...env } },
  );
}

/** Its program is process 1, as in a container: a signal that it does not handle does nothing to it. */
const namespace = ['/usr/bin/unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;
const hasNamespaces =
  spawnSync(namespace[0], [...namespace.slice(1), '/bin/sh', '-c', 'echo $$'], {
    encoding: 'utf8',
  }).stdout?.trim() === '1';

/** A container's command as a process: where Linux lets us, the first of a namespace of its own. */
export class Program {
  readonly child: ChildProcess;
  said = '';
  readonly #isInside: boolean;

  constructor(
    command: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>>,
    { asContainer = hasNamespaces } = {},
  ) {
    this.#isInside = asContainer;
    const [, ...rest] = command; // the first is `node`
    const [program = '', ...args] = [...(asContainer ? namespace : []), process.execPath, ...rest];
    this.child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.said += text;
      });
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  async says(pattern: RegExp): Promise<void> {
    await until(
      () => pattern.test(this.said) || this.child.exitCode !== null,
      () => `${pattern}; it said: ${this.said}`,
    );
    expect(this.said).toMatch(pattern);
  }

  /** Resolves with how it ended: `0`, or the signal. */
  async end(signal: NodeJS.Signals): Promise<number | string | null> {
    const ended = once(this.child, 'exit');
    // `unshare` takes its child with it, and ends itself in its own way where only the child is killed.
    const first = this.#isInside && signal !== 'SIGKILL' ? childOf(this.child.pid) : null;
    if (first === null) this.child.kill(signal);
    else process.kill(first, signal);
    const [code, by] = await within(ended, `the end after ${signal}; it said: ${this.said}`);
    return by ?? code;
  }
}
