// Counts the pieces of JavaScript that run, as coverage does: work that is the same on every machine, however busy it is.
import { Session } from 'node:inspector';

const session = new Session();
session.connect();
post('Profiler.enable');
// From now on: of what has run before, V8 counts calls only, and no loops within.
post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** How many functions, branches and turns of loops run meanwhile, those of Node itself left out. */
export function stepsOf(run: () => unknown): number {
  counted();
  run();
  return counted();
}

/** Since the last time. */
function counted(): number {
  let steps = 0;
  for (const { url, functions } of post('Profiler.takePreciseCoverage').result)
    if (!url.startsWith('node:'))
      for (const { ranges } of functions) for (const { count } of ranges) steps += count;
  return steps;
}

/** What V8 says of the code that ran. */
interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

/** The inspector of this thread answers before it returns. */
function post(method: string, parameters: object = {}): Coverage {
  let answer: Coverage = { result: [] };
  session.post(method, parameters, (error, result) => {
    if (error) throw error;
    answer = result as Coverage; // of this method it is
  });
  return answer;
}
