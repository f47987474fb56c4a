import type { Json } from '../protocol/message.ts';

/** Arguments by name, for a Python function with these parameters. */
export function named(args: readonly unknown[], kwargs: Json, parameters: readonly string[]): Json {
  const given: Record<string, unknown> = { ...kwargs };
  for (const [index, parameter] of parameters.entries())
    if (index < args.length) given[parameter] = args[index];
  return given;
}
