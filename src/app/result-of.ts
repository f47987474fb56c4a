// From the ids of a planned workflow to what its sender holds.
import type { Handle } from '../canvas/freeze.ts';
import { AsyncResult, type BackendSource, GroupResult } from '../results/async-result.ts';
import type { App } from './app.ts';

/** The result of a workflow, with what it followed as its parents. */
export function resultOf<R>(app: App, handle: Handle): AsyncResult<R> {
  return resultIn<R>(handle, app.results);
}

/** @param source where the results are kept */
export function resultIn<R>(handle: Handle, source: BackendSource): AsyncResult<R> {
  const parent = handle.parent === null ? null : resultIn<unknown>(handle.parent, source);
  if (handle.kind === 'task') return new AsyncResult<R>(handle.id, source, parent);
  const members = handle.members.map((member) => resultIn<unknown>(member, source));
  return new GroupResult<R>(handle.id, members, source, parent);
}
