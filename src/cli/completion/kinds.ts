// Which words of a command line are names that only the application or its stores know. Pure.

/** Of what a name is one. */
export type NameKind = (typeof nameKinds)[number];

export const nameKinds = ['tasks', 'queues', 'workers', 'schedules'] as const;

const ofFlags: Readonly<Record<string, NameKind>> = {
  '--queue': 'queues',
  '--queues': 'queues',
  '--exclude-queues': 'queues',
  '--task': 'tasks',
  '--destination': 'workers',
};

const ofCommands: Readonly<Record<string, NameKind>> = {
  call: 'tasks',
  'queues peek': 'queues',
  'queues move': 'queues',
  'queues pause': 'queues',
  'queues resume': 'queues',
  'tasks pause': 'tasks',
  'tasks resume': 'tasks',
  'schedule show': 'schedules',
  'schedule run': 'schedules',
  'schedule pause': 'schedules',
  'schedule resume': 'schedules',
  'schedule delete': 'schedules',
  'schedule history': 'schedules',
  'schedule preview': 'schedules',
};

/** What the value of an option names; undefined: nothing that could be looked up. */
export function kindOfFlag(flag: string): NameKind | undefined {
  return ofFlags[flag];
}

/** What the arguments of a command name: `queues peek`. */
export function kindOfArguments(path: string): NameKind | undefined {
  return ofCommands[path];
}

/** Names that a shell reads as they are. Others are not offered: completed, they could be a command of their own. */
export function safeNames(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].filter((name) => /^[\w@%+][\w@%+.:/-]*$/.test(name)).sort();
}
