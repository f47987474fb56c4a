// From the ids of a planned workflow to what its sender holds.

import { AsyncResult, type BackendSource, GroupResult } from '../results/async-result.ts';
import type { Handle } from './freeze.ts';

/**
 * The result of a workflow, with what it followed as its parents.
 * @param rootId the workflow's, where it was sent
 */
export function resultOf<R>(
  app: { readonly results: BackendSource },
  handle: Handle,
  rootId: string | null = null,
): AsyncResult<R> {
  return resultIn<R>(handle, app.results, rootId);
}

/** @param source where the results are kept */
export function resultIn<R>(
  handle: Handle,
  source: BackendSource,
  rootId: string | null = null,
): AsyncResult<R> {
  const { id } = handle;
  const parent = handle.parent === null ? null : resultIn<unknown>(handle.parent, source, rootId);
  if (handle.kind === 'task') return new AsyncResult<R>(id, source, parent, { rootId });
  const members = handle.members.map((member) => resultIn<unknown>(member, source, rootId));
  return new GroupResult<R>(id, members, source, parent, { rootId });
}
