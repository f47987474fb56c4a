// The fields of the query language: the name of each, and the column of the store that holds its value.

/** `word`: the whole value, or a pattern with `*`. `text`: a part of the value. `age`: a time in the past. `due`: a time in the future. */
export type FieldKind = 'word' | 'text' | 'number' | 'duration' | 'age' | 'due' | 'state' | 'node' | 'stamp';

interface HistoryField {
  readonly kind: FieldKind;
  readonly column: string;
  /** Description for users. */
  readonly means: string;
}

export const fields = {
  state: { kind: 'state', column: 'state', means: "Celery's states, in any case" },
  name: { kind: 'word', column: 'name', means: 'the name of the task' },
  queue: { kind: 'word', column: 'queue', means: 'its queue' },
  worker: { kind: 'node', column: 'worker', means: 'the worker that had it last: w1@host, or w1' },
  client: { kind: 'node', column: 'client', means: 'the client that sent it' },
  id: { kind: 'word', column: 'id', means: 'its id' },
  root: { kind: 'word', column: 'root_id', means: 'the first task of its workflow' },
  parent: { kind: 'word', column: 'parent_id', means: 'the task that sent it' },
  group: { kind: 'word', column: 'group_id', means: 'its group' },
  chord: { kind: 'word', column: 'chord_id', means: 'the body of its chord' },
  tag: { kind: 'stamp', column: 'stamps', means: 'a stamp, or a stamp with a value: customer=7' },
  args: { kind: 'text', column: 'args_repr', means: 'the positional arguments; args.user.id: in any' },
  kwargs: { kind: 'text', column: 'kwargs_repr', means: 'the keyword arguments; kwargs.user.id: in them' },
  result: { kind: 'text', column: 'result', means: 'its return value' },
  exception: { kind: 'text', column: 'exception', means: 'its last error' },
  traceback: { kind: 'text', column: 'traceback', means: 'the traceback of its last error' },
  retries: { kind: 'number', column: 'retries', means: 'how many times it was retried' },
  priority: { kind: 'number', column: 'priority', means: 'its priority' },
  runtime: { kind: 'duration', column: 'runtime', means: 'the duration of its last attempt' },
  wait: {
    kind: 'duration',
    column: 'wait',
    means: 'the time from its sending, or its eta, to its first start',
  },
  seen: { kind: 'age', column: 'seen', means: 'when its first event was sent' },
  updated: { kind: 'age', column: 'updated', means: 'when its last event was sent' },
  sent: { kind: 'age', column: 'sent', means: 'when it was sent' },
  received: { kind: 'age', column: 'received', means: 'when a worker first received it' },
  started: { kind: 'age', column: 'started', means: 'when its last attempt began' },
  ended: { kind: 'age', column: 'ended', means: 'when it ended' },
  eta: { kind: 'due', column: 'eta', means: 'when it is due' },
  expires: { kind: 'due', column: 'expires', means: 'when it expires' },
} as const satisfies Readonly<Record<string, HistoryField>>;

export type FieldName = keyof typeof fields;

/** The fields by which a list of tasks can be sorted. The guide says which of them have an index. */
export const sortable = [
  'seen',
  'updated',
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

/** The fields by which tasks can be counted. */
export const facets = ['state', 'name', 'queue', 'worker', 'client'] as const;

export type FacetField = (typeof facets)[number];
