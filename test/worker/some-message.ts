import type { TaskMessage } from '../../src/protocol/message.ts';
import { taskMessage } from '../../src/testing/conformance.ts';

/** A message of the task `shop.add`, with what the test is about. */
export function someMessage(changes: Partial<TaskMessage> = {}): TaskMessage {
  const call = { task: 'shop.add', args: [2, 3], argsrepr: '(2, 3)' };
  return taskMessage('c3f2c0de-0000-7000-8000-000000000001', { ...call, ...changes });
}
