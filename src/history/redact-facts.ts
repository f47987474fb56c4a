// Secrets in facts are replaced before the facts are written.
import { redactedJson, redactedRepr } from '../lib/redact.ts';
import type { Mark, TaskFacts } from './facts.ts';

/** Facts without the values of members that are named like a secret (`password`, `token` …) or by `names`, and without passwords in URLs. */
export function redactFacts(facts: TaskFacts, names: ReadonlySet<string>): TaskFacts {
  const repr = (text: string | null): string | null => text && redactedRepr(text, names);
  const json = (text: string | null): string | null => text && redactedJson(text, names);
  return {
    ...facts,
    argsRepr: repr(facts.argsRepr),
    kwargsRepr: repr(facts.kwargsRepr),
    args: json(facts.args),
    kwargs: json(facts.kwargs),
    stamps: json(facts.stamps),
    marks: facts.marks.map((mark) => redactMark(mark, names)),
  };
}

function redactMark(mark: Mark, names: ReadonlySet<string>): Mark {
  const { result, exception, traceback, progress, message, ...rest } = mark;
  return {
    ...rest,
    ...(result !== undefined && { result: redactedRepr(result, names) }),
    ...(exception !== undefined && { exception: redactedRepr(exception, names) }),
    ...(traceback !== undefined && { traceback: redactedRepr(traceback, names) }),
    ...(message !== undefined && { message: redactedRepr(message, names) }),
    ...(progress !== undefined && {
      progress: redactedJson(progress, names),
    }),
  };
}
