// The options of `umbel worker`, `umbel beat` and `umbel recorder` for probes from outside.
import type { Command } from 'commander';
import type { HealthOptions } from '../http/health.ts';
import { port } from './values.ts';

export interface HealthChoices {
  readonly healthPort?: number;
  readonly healthHost?: string;
  readonly heartbeatFile?: string;
}

/** @param program in words: `worker` */
export function withHealthOptions(command: Command, program: string): Command {
  return command
    .option('--health-port <port>', 'Answer GET /livez, /readyz and /metrics on this port.', port)
    .option('--health-host <address>', 'Answer on this address; default 127.0.0.1.')
    .option('--heartbeat-file <file>', `Write this file every 10 s while the ${program} lives.`);
}

export function healthOf(choices: HealthChoices): HealthOptions {
  const { healthPort: port, healthHost: host, heartbeatFile: file } = choices;
  return {
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(file !== undefined && { file }),
  };
}
