import { type Config, decodeOptions } from '../config/config.ts';
import type { Decoded, TaskMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Activity } from './activity.ts';

/** Decodes a delivery: the task's message, or the reason why it is none. */
export type Decoder = (delivery: Delivery) => Decoded<TaskMessage>;

/** `activity` counts messages with an expiration of their own. */
export function decoder(config: Config, activity: Pick<Activity, 'countExpiring'>): Decoder {
  const options = decodeOptions(config);
  return ({ message, queue }) => {
    if (!message.ok) return message;
    if (message.value.properties.expiration !== null) activity.countExpiring(queue);
    return decodeTask(message.value, options);
  };
}
