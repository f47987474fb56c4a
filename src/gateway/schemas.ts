// The shapes of answers, for the OpenAPI document.
import { reasons } from '../app/dead-letter-filter.ts';
import { type JsonSchema, problemSchema } from '../http/openapi.ts';

const text = { type: 'string' };

export type ComponentName =
  | 'AcceptedCall'
  | 'Task'
  | 'TaskError'
  | 'TaskList'
  | 'DeadLetter'
  | 'DeadLetterList'
  | 'DeadLettersChanged'
  | 'Status'
  | 'Problem';

export const components: Readonly<Record<ComponentName, JsonSchema>> = {
  AcceptedCall: {
    type: 'object',
    required: ['id', 'task', 'status', 'links'],
    properties: {
      id: { ...text, description: "The call's id." },
      task: text,
      status: { const: 'PENDING' },
      links: {
        type: 'object',
        description: 'Empty for a task that keeps no result.',
        properties: { self: text, result: text, events: text },
      },
    },
  },
  Task: {
    type: 'object',
    required: ['id', 'status'],
    properties: {
      id: text,
      status: {
        ...text,
        description: "PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, or a state of the task's own.",
        examples: ['SUCCESS'],
      },
      result: { description: 'What the task returned; with SUCCESS.' },
      error: { $ref: '#/components/schemas/TaskError' },
      progress: { description: "What the task tells about itself; with a state of the task's own." },
      doneAt: { ...text, format: 'date-time', description: 'When it ended.' },
    },
  },
  TaskError: {
    type: 'object',
    description: 'With FAILURE and REVOKED; with RETRY why the last attempt failed.',
    required: ['type', 'message'],
    properties: { type: text, message: text, traceback: text },
  },
  TaskList: {
    type: 'object',
    required: ['tasks'],
    properties: {
      tasks: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name', 'takes', 'body', 'options', 'links'],
          properties: {
            name: text,
            description: { type: ['string', 'null'] },
            takes: { enum: ['keyword', 'positional'] },
            body: { type: 'object', description: 'JSON Schema of the body that calls it.' },
            options: { type: 'object' },
            links: { type: 'object', properties: { call: text } },
          },
        },
      },
    },
  },
  DeadLetter: {
    type: 'object',
    description: 'A message that could not be run.',
    required: ['id', 'queue', 'reason', 'detail', 'diedAt', 'crashes', 'call', 'size', 'links'],
    properties: {
      id: { type: 'integer', description: 'A later one has a higher number.' },
      queue: text,
      reason: { enum: reasons },
      detail: { ...text, description: 'For people.' },
      diedAt: { ...text, format: 'date-time' },
      crashes: { type: 'integer', description: 'How many workers died holding it.' },
      call: {
        type: ['object', 'null'],
        description: 'The call; null if the bytes are no call.',
        properties: { id: text, task: text, args: { type: 'array' }, kwargs: { type: 'object' } },
      },
      size: { type: 'integer', description: 'Of its bytes.' },
      links: { type: 'object', properties: { self: text, raw: text } },
    },
  },
  DeadLetterList: {
    type: 'object',
    required: ['deadLetters', 'total', 'next'],
    properties: {
      deadLetters: { type: 'array', items: { $ref: '#/components/schemas/DeadLetter' } },
      total: { type: 'integer', description: 'How many dead letters there are, of any kind.' },
      next: { type: ['string', 'null'], description: 'The page with older ones; null: there are none.' },
    },
  },
  DeadLettersChanged: {
    type: 'object',
    required: ['done', 'missing', 'left'],
    properties: {
      done: { type: 'integer' },
      missing: { type: 'integer', description: 'Ids that were not there any more.' },
      left: { type: 'integer', description: 'Found by the filter and not reached: ask again to go on.' },
    },
  },
  Status: { type: 'object', required: ['status'], properties: { status: text } },
  Problem: problemSchema,
};
