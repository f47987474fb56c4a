// What a question may ask of a task: the fields by their names, and which column of the store answers.

/** `word`: all of it, or with `*`. `text`: a part of it. `age`: a time in the past. `due`: one in the future. */
export type FieldKind = 'word' | 'text' | 'number' | 'duration' | 'age' | 'due' | 'state' | 'node' | 'stamp';

interface HistoryField {
  readonly kind: FieldKind;
  readonly column: string;
  /** For people. */
  readonly means: string;
}

export const fields = {
  state: { kind: 'state', column: 'state', means: "Celery's states, in any case" },
  name: { kind: 'word', column: 'name', means: 'the name of the task' },
  queue: { kind: 'word', column: 'queue', means: 'its queue' },
  worker: { kind: 'node', column: 'worker', means: 'the worker that had it last: w1@host, or w1' },
  client: { kind: 'node', column: 'client', means: 'who sent it' },
  id: { kind: 'word', column: 'id', means: 'its id' },
  root: { kind: 'word', column: 'root_id', means: 'the first task of its workflow' },
  parent: { kind: 'word', column: 'parent_id', means: 'the task that sent it' },
  group: { kind: 'word', column: 'group_id', means: 'its group' },
  chord: { kind: 'word', column: 'chord_id', means: 'the body of its chord' },
  tag: { kind: 'stamp', column: 'stamps', means: 'a stamp, or a stamp with a value: customer=7' },
  args: { kind: 'text', column: 'args_repr', means: 'the positional arguments; args.user.id: in any' },
  kwargs: { kind: 'text', column: 'kwargs_repr', means: 'the keyword arguments; kwargs.user.id: in them' },
  result: { kind: 'text', column: 'result', means: 'what it returned' },
  exception: { kind: 'text', column: 'exception', means: 'its last error' },
  traceback: { kind: 'text', column: 'traceback', means: 'where that came from' },
  retries: { kind: 'number', column: 'retries', means: 'how many times it was retried' },
  priority: { kind: 'number', column: 'priority', means: 'as it was sent' },
  runtime: { kind: 'duration', column: 'runtime', means: 'of its last try' },
  wait: { kind: 'duration', column: 'wait', means: 'from its sending, or its eta, to its first start' },
  seen: { kind: 'age', column: 'seen', means: 'when it was first heard of' },
  heard: { kind: 'age', column: 'heard', means: 'when it was last heard of' },
  sent: { kind: 'age', column: 'sent', means: 'when it was sent' },
  received: { kind: 'age', column: 'received', means: 'when a worker first had it' },
  started: { kind: 'age', column: 'started', means: 'when its last try began' },
  ended: { kind: 'age', column: 'ended', means: 'when it ended' },
  eta: { kind: 'due', column: 'eta', means: 'when it is to run' },
  expires: { kind: 'due', column: 'expires', means: 'when it is not to be run any more' },
} as const satisfies Readonly<Record<string, HistoryField>>;

export type FieldName = keyof typeof fields;

/** What a list of tasks can be sorted by; what of it has an index is in the guide. */
export const sortable = [
  'seen',
  'heard',
  'sent',
  'received',
  'started',
  'ended',
  'runtime',
  'wait',
  'retries',
  'name',
  'state',
  'queue',
  'worker',
] as const;

export type SortField = (typeof sortable)[number];

/** What tasks can be counted by. */
export const facets = ['state', 'name', 'queue', 'worker', 'client'] as const;

export type FacetField = (typeof facets)[number];
