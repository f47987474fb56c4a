// What the routes of the pages check of each request.
import { validator } from 'hono/validator';
import { z } from 'zod';
import { Problem } from '../../../http/problem.ts';

/** The user's reason for an action, for the audit log. */
export const actionReason = z.object({ reason: z.string().max(500).optional() });

/** Answers 422 for missing or wrong values, before anything reaches a worker. */
export function checked<Target extends 'query' | 'json' | 'param', Schema extends z.ZodType>(
  target: Target,
  schema: Schema,
) {
  return validator(target, (value: unknown): z.output<Schema> => {
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    const faults = read.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'the request'}: ${message}`,
    );
    throw new Problem(422, faults.join('; '));
  });
}
