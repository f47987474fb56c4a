// What the folders of src/ promise about each other, asked of their sources. Pure: given other sources it judges those, and so it is
// itself tested with planted violations.
import { dirname, join, normalize } from 'node:path/posix';

/** Which rooms of src/ each room may import. This table is the architecture; change it on purpose. */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  protocol: ['lib'],
  schedules: ['lib'],
  history: ['protocol', 'lib'],
  stores: ['history', 'protocol', 'lib'],
  config: ['schedules', 'stores', 'protocol', 'lib'],
  results: ['stores', 'protocol', 'lib'],
  sending: ['config', 'results', 'stores', 'protocol', 'lib'],
  workflow: ['sending', 'config', 'results', 'stores', 'protocol', 'lib'],
  app: ['workflow', 'sending', 'config', 'results', 'schedules', 'history', 'stores', 'protocol', 'lib'],
  beat: ['app', 'http', 'workflow', 'config', 'schedules', 'stores', 'protocol', 'lib'],
  events: ['app', 'stores', 'protocol', 'lib'],
  control: ['app', 'events', 'history', 'stores', 'protocol', 'lib'],
  recorder: ['app', 'control', 'events', 'history', 'http', 'stores', 'protocol', 'lib'],
  worker: ['app', 'http', 'workflow', 'sending', 'config', 'events', 'stores', 'protocol', 'lib'],
  doctor: ['app', 'beat', 'config', 'control', 'events', 'protocol', 'stores', 'lib'],
  otel: ['app', 'sending', 'lib'],
  testing: ['app', 'worker', 'stores', 'protocol', 'lib'],
  http: ['protocol', 'lib'],
  gateway: ['app', 'http', 'sending', 'config', 'stores', 'protocol', 'lib'],
  dashboard: [
    'app',
    'beat',
    'config',
    'control',
    'doctor',
    'events',
    'http',
    'recorder',
    'schedules',
    'history',
    'stores',
    'protocol',
    'lib',
  ],
  cli: [
    'app',
    'config',
    'control',
    'doctor',
    'events',
    'http',
    'worker',
    'beat',
    'schedules',
    'dashboard',
    'gateway',
    'history',
    'recorder',
    'results',
    'stores',
    'protocol',
    'lib',
  ],
};

/** Packages that open databases and brokers, and where they may be imported. */
const drivers = /^(?:@photostructure\/sqlite|node:sqlite|amqplib|pg)(?:\/|$)/;
const driverFiles = /^src\/stores\/(?:(?:amqp|postgres)\/client\/|sqlite\/library\.ts$)/;
/** Our own one. */
const redisClient = 'src/stores/redis/client/client.ts';

/** The package's entry points, which gather names of several files. */
const doors = [
  'src/index.ts',
  'src/beat/beat.ts',
  'src/control/control.ts',
  'src/dashboard/server/dashboard.ts',
  'src/events/events.ts',
  'src/gateway/gateway.ts',
  'src/otel/otel.ts',
  'src/protocol/protocol.ts',
  'src/recorder/recorder.ts',
  'src/stores/backend.ts',
  'src/stores/registry.ts',
  'src/stores/transport.ts',
  'src/testing/testing.ts',
  'src/worker/worker.ts',
];

/** Where a module is loaded whose name is not known before: the user's application, also in a pool; and packages that CommonJS must find. */
const mayCompute = [
  'src/app/import-module.ts',
  'src/app/load-app.ts',
  'src/protocol/msgpack.ts',
  'src/protocol/yaml.ts',
  'src/stores/amqp/client/field-table.ts',
];

/** What runs code that is text: of a program that it is given. */
const mayEvaluate = ['src/stores/redis/client/side-thread.ts'];

interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** Whether the other module runs when this one is loaded: no import of types, none that comes later. */
  readonly runs: boolean;
}

/** @param sources the text of each file, by its path from the root of the project */
export function violations(sources: ReadonlyMap<string, string>): string[] {
  const files = [...sources].map(([file, text]) => ({ file, code: withoutComments(text) }));
  const found: string[] = [];
  const graph = new Map<string, readonly string[]>();
  const used = new Set<string>();
  const packages = new Map<string, readonly string[]>();
  for (const { file, code } of files) {
    const imports = importsOf(code);
    const near = imports.filter(({ specifier }) => specifier.startsWith('.'));
    const targetOf = ({ specifier }: Import): string => normalize(join(dirname(file), specifier));
    graph.set(file, near.filter(({ runs }) => runs).map(targetOf));
    const far = imports.filter(
      ({ specifier, runs }) => runs && !/^(?:\.|node:|thread:|lua:|template:)/.test(specifier),
    );
    packages.set(
      file,
      far.map(({ specifier }) => specifier),
    );
    for (const target of graph.get(file) ?? [])
      if (target.endsWith('.thread.ts'))
        found.push(`${file} imports ${target}, which runs in a thread of its own`);
    if (
      /\beval: true\b/.test(code) &&
      !mayEvaluate.includes(file) &&
      !imports.some(({ specifier }) => specifier.startsWith('thread:'))
    )
      found.push(`${file} runs a string that no compiler has seen`);
    const room = roomOf(file);
    for (const target of near.map(targetOf)) {
      if (room === null) continue; // src/index.ts, src/errors.ts
      const other = roomOf(target);
      if (other !== null && other !== room) {
        used.add(`${room} -> ${other}`);
        if (!rooms[room]?.includes(other)) found.push(`${file} imports ${target}: ${room} -> ${other}`);
      }
      if (target === 'src/index.ts') found.push(`${file} imports the package's own door`);
      const [own, its] = [technologyOf(file), technologyOf(target)];
      if (its !== null && own !== its && !mayOpen(file))
        found.push(
          `${file} imports ${target}: only src/stores/registry.ts and the command line know a technology`,
        );
    }
    for (const target of graph.get(file) ?? []) {
      if (isPage(file) && !isPage(target))
        found.push(`${file} loads ${target}: a browser gets types from the server, and no code`);
      if (!isPage(file) && isPage(target)) found.push(`${file} loads ${target}, which is for browsers`);
    }
    for (const { specifier } of imports)
      if (drivers.test(specifier) && !driverFiles.test(file)) found.push(`${file} imports ${specifier}`);
    if (computes(code) && !mayCompute.includes(file)) found.push(`${file} computes what it imports`);
    if (reexports(code) && !doors.includes(file)) found.push(`${file} re-exports`);
    if (/\bredis\.p?call\(/.test(code)) found.push(`${file} holds a script in a string`);
  }
  for (const { file } of files)
    if (file.endsWith('.thread.ts'))
      for (const each of reached(file, graph))
        for (const name of packages.get(each) ?? [])
          found.push(`${file} loads ${name} (${each}): a program of a thread has nothing but Node`);
  for (const start of [...doors, 'src/cli/main.ts'])
    for (const each of reached(start, graph))
      for (const name of each === redisClient ? [each] : (packages.get(each) ?? []))
        if (name === redisClient || drivers.test(name))
          found.push(
            `${start} loads ${name} at its start (${each}): who uses another store waits for it in vain`,
          );
  for (const circle of circles(graph)) found.push(`these import each other: ${circle.join(', ')}`);
  for (const { file } of files) {
    const room = roomOf(file);
    if (room !== null && !(room in rooms)) found.push(`${room} has no line in the table`);
  }
  for (const [room, others] of Object.entries(rooms))
    for (const other of others)
      if (!used.has(`${room} -> ${other}`)) found.push(`nothing uses ${room} -> ${other}`);
  return [...new Set(found)];
}

/**
 * What a file exports though no other file speaks of it.
 * @param others files that may use it, too: tests, benchmarks, examples
 */
export function unusedExports(
  sources: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
): string[] {
  const speakers = new Map<string, Set<string>>();
  for (const [file, text] of [...sources, ...others])
    for (const [word] of withoutComments(text).matchAll(/\w+/g))
      speakers.set(word, (speakers.get(word) ?? new Set()).add(file));
  const exported = /^export (?:async |abstract )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;
  return [...sources]
    .filter(([file]) => !doors.includes(file))
    .flatMap(([file, text]) =>
      [...text.matchAll(exported)]
        .filter(([, name = '']) => speakers.get(name)?.size === 1)
        .map(([, name]) => `${file} exports ${name}, which nobody imports`),
    );
}

/** Types and classes that several files export under one name: the reader of an import cannot know which. */
export function ambiguousNames(sources: ReadonlyMap<string, string>): string[] {
  const exporters = new Map<string, string[]>();
  for (const [file, text] of sources)
    for (const [, name = ''] of text.matchAll(/^export (?:abstract )?(?:class|interface|type|enum) (\w+)/gm))
      exporters.set(name, [...(exporters.get(name) ?? []), file]);
  return [...exporters].flatMap(([name, files]) =>
    new Set(files).size > 1 ? [`${name} is exported by ${[...new Set(files)].join(' and ')}`] : [],
  );
}

/** Browsers run it. */
function isPage(file: string): boolean {
  return file.startsWith('src/dashboard/web/');
}

/** The first folder below src/; null: none. */
function roomOf(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** The folder below src/stores/; null: none. */
function technologyOf(path: string): string | null {
  return /^src\/stores\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function mayOpen(file: string): boolean {
  return file === 'src/stores/registry.ts' || file.startsWith('src/cli/') || file.startsWith('src/doctor/');
}

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/\/.*$/gm, '').replaceAll(/\/\*[\s\S]*?\*\//g, '');
}

function importsOf(code: string): Import[] {
  const found: Import[] = [];
  const statements =
    /^(?:import|export)\s+(?:(type\s)?\s*((?:\{[^}]*\}|[\w*\s,{}])*?)\s*from\s*)?(['"])([^'"]+)\3/gm;
  for (const [, isType, names = '', , specifier = ''] of code.matchAll(statements))
    found.push({ specifier, runs: isType === undefined && !areTypes(names) });
  for (const [, , specifier = ''] of code.matchAll(/\b(?:import|require)\(\s*(['"`])([^'"`$]+)\1/g))
    found.push({ specifier, runs: false });
  for (const [, , specifier = ''] of code.matchAll(/\bnew URL\(\s*(['"`])(\.[^'"`$]*)\1,\s*import\.meta/g))
    found.push({ specifier, runs: false });
  return found;
}

/** `{ type A, type B }`: it is erased. */
function areTypes(names: string): boolean {
  const each = /^\{([^}]*)\}$/
    .exec(names.trim())?.[1]
    ?.split(',')
    .map((name) => name.trim());
  return each?.every((name) => name === '' || name.startsWith('type ')) === true && names.includes('type ');
}

function computes(code: string): boolean {
  return (
    /\bimport\(\s*[^'"\s]/.test(code.replaceAll(/(['`]).*?\1/gs, "''")) || /\bcreateRequire\(/.test(code)
  );
}

function reexports(code: string): boolean {
  return (
    /^export\s+(?:type\s+)?(?:\*|\{[^}]*\}\s*from)/m.test(code) ||
    /^export\s+(?:type\s+)?\{[^}]*\};?\s*$/m.test(code)
  );
}

/** The file, and all that is loaded before it. */
function reached(file: string, graph: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const all = new Set([file]);
  for (const each of all) for (const next of graph.get(each) ?? []) all.add(next);
  return all;
}

/** Groups of files of which each is loaded before the other (Tarjan's strongly connected components). */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const path: string[] = [];
  const visit = (file: string): number => {
    const mine = order.size;
    order.set(file, mine);
    lowest.set(file, mine);
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const low = order.has(next) ? (path.includes(next) ? (order.get(next) ?? mine) : mine) : visit(next);
      lowest.set(file, Math.min(lowest.get(file) ?? mine, low));
    }
    const low = lowest.get(file) ?? mine;
    if (low === mine) {
      const circle = path.splice(path.indexOf(file));
      if (circle.length > 1 || graph.get(file)?.includes(file)) found.push(circle.sort());
    }
    return low;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}
