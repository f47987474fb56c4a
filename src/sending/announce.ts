// The signals before and after a publication, where they have receivers.

import { decodeOptions } from '../config/config.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Publication } from '../stores/transport.ts';
import { noKwargs } from './arguments.ts';
import type { EncodedCall } from './encode.ts';
import type { PreparedCall } from './prepare.ts';
import type { SendingApp } from './sending-app.ts';

/** Lets the receivers of beforeTaskPublish add headers to each call. */
export async function announced(app: SendingApp, calls: readonly PreparedCall[]): Promise<PreparedCall[]> {
  const all: PreparedCall[] = [];
  for (const call of calls) {
    const { message, queue } = call;
    const headers = { ...message.headers };
    await app.signals.beforeTaskPublish.send({ message, queue, headers });
    all.push({
      ...call,
      message: { ...message, headers: Object.keys(headers).length === 0 ? noKwargs : headers },
    });
  }
  return all;
}

/** Calls the receivers of afterTaskPublish. */
export async function sendAfterPublish(app: SendingApp, calls: readonly EncodedCall[]): Promise<void> {
  const { afterTaskPublish } = app.signals;
  if (!afterTaskPublish.connected) return;
  for (const { prepared } of calls)
    await afterTaskPublish.send({ message: prepared.message, queue: prepared.queue });
}

/** Calls the receivers of afterTaskPublish for messages that a worker has sent. */
export async function sendAfterPublishOf(
  app: SendingApp,
  publications: readonly Publication[],
): Promise<void> {
  const options = decodeOptions(app.config);
  for (const { message: wire, queue } of publications) {
    const read = decodeTask(wire, options);
    if (read.ok) await app.signals.afterTaskPublish.send({ message: read.value, queue });
  }
}
