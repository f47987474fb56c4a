import { arch, release, type } from 'node:os';
import { redacted } from '../lib/redact.ts';

interface BannerFacts {
  readonly version: string;
  readonly node: string;
  readonly app: string;
  /** From where it was loaded. */
  readonly module: string;
  readonly broker: string;
  readonly backend: string | null;
  readonly concurrency: number;
  readonly pool: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
}

/** The text that a worker prints when it starts, like Celery's banner. */
export function banner(facts: BannerFacts): string {
  return redacted(`
 ${facts.node} · umbel ${facts.version} · Node ${process.versions.node}
 ${type()} ${release()} ${arch()} · ${new Date().toISOString()}

[config]
.> app:         ${facts.app} (${facts.module})
.> transport:   ${facts.broker}
.> results:     ${facts.backend ?? 'disabled'}
.> concurrency: ${facts.concurrency} (${facts.pool})

[queues]
${facts.queues.map((queue) => `.> ${queue}`).join('\n')}

[tasks]
${facts.tasks.map((task) => `  . ${task}`).join('\n') || '  none: does the module that defines them get imported?'}
`);
}
