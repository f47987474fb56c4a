// Makes the result of a planned workflow from its ids.

import { AsyncResult, type BackendSource, GroupResult } from '../results/async-result.ts';
import type { Handle } from './freeze.ts';

/**
 * The result of a workflow; its parents are the results of the workflows before it.
 * @param rootId the workflow's root, if it was sent here
 */
export function resultOf<R>(
  app: { readonly results: BackendSource },
  handle: Handle,
  rootId: string | null = null,
): AsyncResult<R> {
  return resultIn<R>(handle, app.results, rootId);
}

/** @param source where results are kept */
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
