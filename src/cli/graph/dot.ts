// Graphs in DOT, Graphviz's language. Pure.

interface GraphNode {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Pairs of names: from, to. */
  readonly edges: readonly (readonly [string, string])[];
}

/** The graph in DOT, which `dot -Tsvg` draws. */
export function dotOf({ nodes, edges }: Graph): string {
  const lines = nodes.map(({ name, attributes = {} }) => `    ${quoted(name)}${listOf(attributes)};`);
  for (const [from, to] of edges) lines.push(`    ${quoted(from)} -> ${quoted(to)};`);
  return `digraph umbel {\n    rankdir=LR;\n    node [fontname="sans-serif", style=filled, fillcolor=white];\n${lines.join('\n')}\n}`;
}

function listOf(attributes: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(attributes).map(([key, value]) => `${key}=${quoted(value)}`);
  return pairs.length === 0 ? '' : ` [${pairs.join(', ')}]`;
}

function quoted(text: string): string {
  return `"${text
    .replace(/[\\"]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replace(/\p{Cc}/gu, '?')}"`;
}

/** A worker, with the number of tasks that it runs at a time. */
interface WorkerNode {
  readonly name: string;
  readonly slots: number;
  readonly queues: readonly string[];
}

interface ClusterNodes {
  readonly workers: readonly WorkerNode[];
  readonly broker: string;
  readonly backend: string | null;
}

/** The graph of a cluster: the queues of the broker, the workers that serve them, and the result backend. */
export function workersGraph({ workers, broker, backend }: ClusterNodes): Graph {
  const queues = [...new Set(workers.flatMap((worker) => worker.queues))].sort();
  return {
    nodes: [
      { name: broker, attributes: { shape: 'cylinder', fillcolor: 'lightblue' } },
      ...queues.map((queue) => ({
        name: `queue ${queue}`,
        attributes: { shape: 'cds', fillcolor: 'lightyellow' },
      })),
      ...workers.map(({ name, slots }) => ({
        name,
        attributes: { shape: 'box', fillcolor: 'lightgrey', label: `${name}\n${slots} at a time` },
      })),
      ...(backend === null
        ? []
        : [{ name: `results ${backend}`, attributes: { shape: 'folder', fillcolor: 'peachpuff' } }]),
    ],
    edges: [
      ...queues.map((queue) => [broker, `queue ${queue}`] as const),
      ...workers.flatMap(({ name, queues: own }) => own.map((queue) => [`queue ${queue}`, name] as const)),
      ...(backend === null ? [] : workers.map(({ name }) => [name, `results ${backend}`] as const)),
    ],
  };
}

interface Step {
  readonly part: string;
  readonly needs: readonly string[];
  /** The call in `worker.ts` that starts the part, without `parts.`; null: the part needs no start. */
  readonly start: string | null;
}

/**
 * The parts of a worker in the order in which they start. Each part needs those to which its arrows lead. They stop in reverse order. A test
 * compares this list with the worker.
 */
export const bootsteps: readonly Step[] = [
  { part: 'App', needs: [], start: null },
  { part: 'Health', needs: [], start: 'this.#health.start' },
  { part: 'Broker', needs: ['App'], start: 'connectStores' },
  { part: 'Results', needs: ['App'], start: 'connectStores' },
  { part: 'Consumer', needs: ['Broker'], start: 'connectStores' },
  { part: 'Pool', needs: ['App', 'Results'], start: 'assemble' },
  { part: 'Processor', needs: ['Pool', 'Results', 'Consumer'], start: null },
  { part: 'Revocations', needs: ['Broker'], start: 'operations.prepare' },
  { part: 'Stall detector', needs: [], start: 'stallDetector.start' },
  { part: 'Event loop monitor', needs: [], start: 'eventLoop.start' },
  {
    part: 'Claiming',
    needs: ['Processor', 'Revocations', 'Stall detector', 'Event loop monitor'],
    start: 'loop.start',
  },
  { part: 'Broadcasts', needs: ['Processor', 'Revocations'], start: 'broadcastConsumer.start' },
  { part: 'Autoscaler', needs: ['Pool', 'Claiming'], start: 'scaler?.start' },
  { part: 'Heart', needs: ['Broker', 'Processor'], start: 'operations.start' },
  { part: 'Remote control', needs: ['Broker', 'Heart', 'Claiming'], start: 'operations.start' },
  { part: 'Mingle', needs: ['Revocations', 'Remote control'], start: 'operations.start' },
  { part: 'Pauses', needs: ['Broker', 'Results', 'Claiming'], start: 'pauses.start' },
];

export function bootstepsGraph(): Graph {
  return {
    nodes: bootsteps.map(({ part }) => ({ name: part, attributes: { shape: 'box' } })),
    edges: bootsteps.flatMap(({ part, needs }) => needs.map((need) => [part, need] as const)),
  };
}
