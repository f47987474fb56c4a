// Recorders and workers as processes that tests kill.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach } from 'vitest';
import { commandOf } from '../e2e/harness/compiled.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Urls {
  readonly broker: string;
  readonly backend?: string;
}

export async function start(role: 'recorder' | 'worker', urls: Urls, history: string): Promise<ChildProcess> {
  const [program = '', ...args] = [
    ...commandOf('test/recorder/kill-program.ts'),
    role,
    urls.broker,
    urls.backend ?? urls.broker,
    history,
  ];
  const child = fork(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.push(child);
  await once(child, 'message');
  return child;
}

export async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
