// The results of a chord whose header Python has nested: Celery keeps the shape of the header, and the body gets nested lists.
import type { ChordPart } from '../protocol/chord-part.ts';
import type { ResultTuple } from '../protocol/result-meta.ts';

/** @param shape Celery's tuple of the header: `[[id, parent], [members]]` */
export function nestedValues(
  shape: ResultTuple,
  parts: readonly ChordPart[],
): readonly unknown[] | undefined {
  const values = new Map(parts.map(({ taskId, result }) => [taskId, result]));
  const resultAt = (tuple: unknown): unknown => {
    if (!Array.isArray(tuple)) return undefined;
    const [own, members] = tuple;
    if (Array.isArray(members)) return members.map(resultAt);
    const id = Array.isArray(own) ? own[0] : own;
    return typeof id === 'string' ? values.get(id) : undefined;
  };
  const nested = resultAt(shape);
  return Array.isArray(nested) ? nested : undefined;
}
