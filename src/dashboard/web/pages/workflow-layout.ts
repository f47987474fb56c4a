// The layout of a workflow's graph: senders on the left, sent tasks on the right. Pure.
import type { TaskLine } from '../../server/pages/tasks.ts';

interface Box {
  readonly task: TaskLine;
  readonly x: number;
  readonly y: number;
}

export interface Frame {
  readonly id: string;
  /** `siblings`: tasks that were sent by the same task, without a group id. */
  readonly word: 'group' | 'chord' | 'siblings';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly done: number;
  readonly of: number;
}

interface Layout {
  readonly boxes: readonly Box[];
  readonly edges: readonly { readonly from: Box; readonly to: Box }[];
  readonly frames: readonly Frame[];
  readonly width: number;
  readonly height: number;
}

export const boxWidth = 190;
export const boxHeight = 46;
const [gapX, gapY, frameGap] = [64, 14, 26];

/** A task is right of its parent. A chord's body is right of all tasks of its header. */
export function layoutOf(tasks: readonly TaskLine[]): Layout {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const parents = new Map<string, string[]>();
  for (const { id, parentId, chordId } of tasks) {
    if (parentId !== null && byId.has(parentId) && parentId !== id) add(parents, id, parentId);
    // The body's `parentId` names only the last task of the header; the body follows all of them.
    if (chordId !== null && chordId !== id && byId.has(chordId)) add(parents, chordId, id);
  }
  const columns = new Map<string, number>();
  const columnOf = (id: string, path: ReadonlySet<string>): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    if (path.has(id)) return 0; // bad data: a cycle of parents
    const column = Math.max(
      0,
      ...(parents.get(id) ?? []).map((parent) => columnOf(parent, new Set([...path, id])) + 1),
    );
    columns.set(id, column);
    return column;
  };
  const rows: TaskLine[][] = [];
  for (const task of tasks) {
    const column = columnOf(task.id, new Set());
    const own = rows[column] ?? [];
    own.push(task);
    rows[column] = own;
  }
  const boxes = new Map<string, Box>();
  for (const [column, own] of rows.entries()) {
    let y = frameGap;
    let before: string | null = null;
    for (const task of inOrder(own ?? [], boxes)) {
      const group = task.groupId ?? task.parentId;
      if (before !== null && group !== before) y += frameGap;
      before = group ?? task.id;
      boxes.set(task.id, { task, x: 12 + column * (boxWidth + gapX), y });
      y += boxHeight + gapY;
    }
  }
  const height = Math.max(...[...boxes.values()].map(({ y }) => y), 0) + boxHeight + frameGap;
  const all = centred(boxes, height);
  const placed = new Map(all.map((box) => [box.task.id, box]));
  const edges = [...parents].flatMap(([id, from]) => {
    const to = placed.get(id);
    return to === undefined ? [] : from.flatMap((each) => ({ from: placed.get(each) ?? to, to }));
  });
  return {
    boxes: all,
    edges,
    frames: framesOf(all),
    width: 24 + rows.length * (boxWidth + gapX) - gapX,
    height,
  };
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const known = map.get(key) ?? [];
  if (!known.includes(value)) known.push(value);
  map.set(key, known);
}

/** Sorts tasks next to their parents, and keeps groups together. */
function inOrder(tasks: readonly TaskLine[], placed: ReadonlyMap<string, Box>): readonly TaskLine[] {
  const parentY = ({ parentId }: TaskLine): number => placed.get(parentId ?? '')?.y ?? 0;
  return [...tasks].sort(
    (a, b) =>
      parentY(a) - parentY(b) ||
      compare(a.groupId ?? a.parentId ?? a.id, b.groupId ?? b.parentId ?? b.id) ||
      a.seenAt - b.seenAt,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Centres short columns vertically. */
function centred(boxes: ReadonlyMap<string, Box>, height: number): readonly Box[] {
  const lowest = new Map<number, number>();
  for (const { x, y } of boxes.values())
    lowest.set(x, Math.max(lowest.get(x) ?? 0, y + boxHeight + frameGap));
  return [...boxes.values()].map((box) => ({
    ...box,
    y: box.y + (height - (lowest.get(box.x) ?? height)) / 2,
  }));
}

function framesOf(boxes: readonly Box[]): readonly Frame[] {
  const groups = new Map<string, Box[]>();
  for (const box of boxes) {
    const { groupId, parentId } = box.task;
    const together = groupId ?? parentId;
    if (together === null) continue;
    const key = `${together} ${box.x}`;
    groups.set(key, [...(groups.get(key) ?? []), box]);
  }
  return [...groups].flatMap(([id, own]) => {
    const [first] = own;
    if (first === undefined || own.length < 2) return [];
    const [top, low] = [Math.min(...own.map(({ y }) => y)), Math.max(...own.map(({ y }) => y))];
    return [
      {
        id,
        word: wordFor(own),
        x: first.x - 8,
        y: top - 20,
        width: boxWidth + 16,
        height: low - top + boxHeight + 28,
        done: own.filter(({ task }) => task.endedAt !== null).length,
        of: own.length,
      },
    ];
  });
}

function wordFor(boxes: readonly Box[]): Frame['word'] {
  if (boxes.some(({ task }) => task.chordId !== null)) return 'chord';
  return boxes.every(({ task }) => task.groupId !== null) ? 'group' : 'siblings';
}
