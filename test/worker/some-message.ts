import type { TaskMessage } from '../../src/protocol/message.ts';

/** A message of the task `shop.add`, with what the test is about. */
export function someMessage(changes: Partial<TaskMessage> = {}): TaskMessage {
  return {
    id: 'c3f2c0de-0000-7000-8000-000000000001',
    task: 'shop.add',
    args: [2, 3],
    kwargs: {},
    embed: { callbacks: null, errbacks: null, chain: null, chord: null },
    lang: 'js',
    shadow: null,
    eta: null,
    expires: null,
    group: null,
    groupIndex: null,
    retries: 0,
    timeLimit: null,
    softTimeLimit: null,
    rootId: 'c3f2c0de-0000-7000-8000-000000000001',
    parentId: null,
    argsrepr: '(2, 3)',
    kwargsrepr: '{}',
    origin: null,
    ignoreResult: false,
    replacedTaskNesting: 0,
    stampedHeaders: null,
    stamps: {},
    headers: {},
    correlationId: 'c3f2c0de-0000-7000-8000-000000000001',
    replyTo: '',
    priority: 0,
    persistent: true,
    ...changes,
  };
}
