// The signals around a publication, where anybody listens.

import { decodeOptions } from '../config/config.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Publication } from '../stores/transport.ts';
import { noKwargs, type PreparedCall } from './sender.ts';
import type { SendingApp } from './sending-app.ts';

/** Lets the receivers of beforeTaskPublish add headers. */
export async function announced(app: SendingApp, call: PreparedCall): Promise<PreparedCall> {
  const { message, queue } = call;
  const headers = { ...message.headers };
  await app.signals.beforeTaskPublish.send({ message, queue, headers });
  return {
    ...call,
    message: { ...message, headers: Object.keys(headers).length === 0 ? noKwargs : headers },
  };
}

/** Tells the receivers of afterTaskPublish of what a worker has sent. */
export async function announceSent(app: SendingApp, publications: readonly Publication[]): Promise<void> {
  const options = decodeOptions(app.config);
  for (const { message: wire, queue } of publications) {
    const read = decodeTask(wire, options);
    if (read.ok) await app.signals.afterTaskPublish.send({ message: read.value, queue });
  }
}
