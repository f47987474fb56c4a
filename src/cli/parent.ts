// What a long-running command has to do with the program that started it.

/**
 * Ends a long-running command, like SIGTERM, when the program that started it with a channel (`stdio: 'ipc'`) is gone. So a supervisor that
 * is killed leaves no orphans.
 */
export function endWithParent(): void {
  const { channel } = process;
  if (!channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  channel.unref();
}

/** What a program of `umbel dev` tells it. */
export type News = Loaded | { readonly kind: 'ready'; readonly url?: string };

/** The application's module is loaded. */
export interface Loaded {
  readonly kind: 'loaded';
  readonly app: string;
  readonly broker: string;
  readonly tasks: number;
}

const variable = 'UMBEL_DEV';

/** What `umbel dev` adds to the environment of its programs; `stopMs`: how long they may take to stop. */
export function devEnvironment(stopMs: number): Readonly<Record<string, string>> {
  return { [variable]: String(stopMs) };
}

const ofDev = process.env[variable];
delete process.env[variable]; // what this process starts does not inherit it

/** Whether `umbel dev` started this process. */
export const isOfDev: boolean = ofDev !== undefined;

/** As {@link endWithParent}; a worker of `umbel dev` is killed if it does not end, because a task blocks it. */
export async function endWithParentAnyhow(): Promise<void> {
  endWithParent();
  if (ofDev === undefined) return;
  const { dieWithParent } = await import('../worker/pools/child/orphan.ts');
  dieWithParent(Number(ofDev));
}

/** Tells `umbel dev`, if that started this process. */
export function tellDev(news: News): void {
  if (!isOfDev || !process.connected) return;
  process.send?.({ umbelDev: news }, undefined, undefined, () => undefined); // if it is gone, this process ends, too
}

/** Tells `umbel dev` when the program has started, which its `run()` does as well. */
export function whenStarted(program: { start(): Promise<void> }): void {
  if (!isOfDev) return;
  program.start().then(
    () => tellDev({ kind: 'ready' }),
    () => undefined, // `run()` throws it, too
  );
}

/** The news in a message of a program. Null: the message is the user's own. */
export function newsOf(message: unknown): News | null {
  if (typeof message !== 'object' || message === null || !('umbelDev' in message)) return null;
  return message.umbelDev as News; // written by tellDev()
}
