// Changes each task of a workflow, including callbacks, errbacks, and the chords around it.
import type { WireSignature } from '../protocol/message.ts';
import { bodyOf, headerOf, kindOf, listedIn, partsOf, withOptions } from './construct.ts';

/** The role of a task in its workflow. */
export type Role = 'part' | 'header' | 'body' | 'callback' | 'errback';

export function mapTasks(
  signature: WireSignature,
  change: (task: WireSignature, role: Role) => WireSignature,
  role: Role = 'part',
): WireSignature {
  const mapped = withMappedFollowers(signature, change);
  switch (kindOf(mapped)) {
    case 'chain':
    case 'group':
      return {
        ...mapped,
        kwargs: { ...mapped.kwargs, tasks: partsOf(mapped).map((part) => mapTasks(part, change, role)) },
      };
    case 'chord':
      return {
        ...mapped,
        kwargs: {
          ...mapped.kwargs,
          header: mapTasks(headerOf(mapped), change, 'header'),
          body: mapTasks(bodyOf(mapped), change, 'body'),
        },
      };
    default:
      return change(mapped, role);
  }
}

function withMappedFollowers(
  signature: WireSignature,
  change: (task: WireSignature, role: Role) => WireSignature,
): WireSignature {
  let mapped = signature;
  for (const [option, role] of [
    ['link', 'callback'],
    ['link_error', 'errback'],
  ] as const) {
    const list = listedIn(signature.options, option);
    if (list.length > 0)
      mapped = withOptions(mapped, { [option]: list.map((each) => mapTasks(each, change, role)) });
  }
  return mapped;
}
