// The tree of tasks that a task has started: its children, their children, and so on, as far as they have ended.
import type { TaskState } from '../protocol/result-meta.ts';
import type { AsyncResult, GetOptions } from './async-result.ts';
import { eachOf } from './many.ts';

/** A result and the tasks that it has started. */
export interface ResultNode {
  /** The id of the task or group. */
  readonly id: string;
  /** Whether it is a task or a group. */
  readonly kind: 'task' | 'group';
  /** Its state now. */
  readonly state: TaskState;
  /** Known with `resultExtended`. */
  readonly name: string | null;
  /** A group's members, or the tasks that a task has sent. */
  readonly children: readonly ResultNode[];
}

/** Results as a graph: which task started which. */
export interface ResultGraph {
  /** Each task and group once. */
  readonly nodes: readonly Omit<ResultNode, 'children'>[];
  /** Pairs of ids: from, to. */
  readonly edges: readonly (readonly [string, string])[];
  /** For Graphviz. */
  toDot(): string;
}

/**
 * What is known now of a result and all that it has started. Each task occurs once, however many paths lead to it.
 * @param result the first result of the tree
 */
export async function treeOf(result: AsyncResult, seen: Set<string> = new Set()): Promise<ResultNode> {
  seen.add(result.id);
  const record = await result.record();
  const state = record?.status ?? (await result.status());
  const fresh = (await result.children()).filter(({ id }) => !seen.has(id));
  for (const { id } of fresh) seen.add(id);
  const children = await eachOf(fresh, (child) => treeOf(child, seen));
  return { id: result.id, kind: kindOf(result), state, name: record?.name ?? null, children };
}

/** The graph of a result from the beginning of its workflow: its parents, and all that they have started. */
export async function graphOf(result: AsyncResult): Promise<ResultGraph> {
  const nodes = new Map<string, Omit<ResultNode, 'children'>>();
  const edges = new Map<string, readonly [string, string]>();
  const connect = (from: AsyncResult, to: AsyncResult): void => {
    edges.set(`${from.id} ${to.id}`, [from.id, to.id]);
  };
  const visit = async (each: AsyncResult): Promise<void> => {
    if (nodes.has(each.id)) return;
    nodes.set(each.id, { id: each.id, kind: kindOf(each), state: 'PENDING', name: null });
    const record = await each.record();
    const state = record?.status ?? (await each.status());
    nodes.set(each.id, { id: each.id, kind: kindOf(each), state, name: record?.name ?? null });
    const children = await each.children();
    for (const child of children) connect(each, child);
    await eachOf(children, visit);
  };
  for (let each: AsyncResult | null = result; each !== null; each = each.parent) {
    await visit(each);
    if (each.parent !== null) connect(each.parent, each);
  }
  const graph = { nodes: [...nodes.values()], edges: [...edges.values()] };
  return { ...graph, toDot: () => dotOf(graph) };
}

/**
 * Each result of a tree with its value, like Celery's `collect`: waits for one after another, parents before their children.
 * @throws what `get` throws
 */
export async function* collectFrom(
  result: AsyncResult,
  options: GetOptions = {},
): AsyncGenerator<readonly [AsyncResult, unknown], void, undefined> {
  const left: AsyncResult[] = [result];
  const seen = new Set<string>();
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    if (seen.has(next.id)) continue;
    seen.add(next.id);
    yield [next, await next.get(options)];
    left.push(...(await next.children()));
  }
}

function kindOf(result: AsyncResult): 'task' | 'group' {
  return 'results' in result ? 'group' : 'task';
}

function dotOf({ nodes, edges }: Pick<ResultGraph, 'nodes' | 'edges'>): string {
  const lines = nodes.map(({ id, kind, state, name }) => {
    const label = JSON.stringify(`${name ?? kind}\n${id}\n${state}`);
    return `  ${JSON.stringify(id)} [label=${label}, shape=${kind === 'group' ? 'box' : 'ellipse'}, color=${colourOf(state)}];`;
  });
  const arrows = edges.map(([from, to]) => `  ${JSON.stringify(from)} -> ${JSON.stringify(to)};`);
  return `digraph results {\n${[...lines, ...arrows].join('\n')}\n}\n`;
}

function colourOf(state: TaskState): string {
  switch (state) {
    case 'SUCCESS':
      return 'green';
    case 'FAILURE':
    case 'REVOKED':
      return 'red';
    case 'STARTED':
    case 'RETRY':
      return 'orange';
    default:
      return 'grey';
  }
}
