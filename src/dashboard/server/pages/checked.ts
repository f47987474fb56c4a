// What the routes of the pages check of each request.
import type { MiddlewareHandler } from 'hono';
import { validator } from 'hono/validator';
import { z } from 'zod';
import { Problem, type ProblemDetail } from '../../../http/problem.ts';

/** A name, an id, or what a person writes: no control characters (NUL, line breaks, ESC of a terminal), and no half of a character. */
const isPlain = (text: string): boolean => !/\p{Cc}|\p{Cs}/u.test(text);
const notPlain = 'must not have control characters';

export const plainText = (max: number) => z.string().max(max).refine(isPlain, notPlain);

export const plainName = (max: number) => plainText(max).min(1);

/** The user's reason for an action, for the audit log. */
export const actionReason = z.object({ reason: plainText(500).optional() });

/** The longest part of a path: the name of a task, a worker or a schedule, or an id. */
const maxPart = 512;

/** Answers 422 for names and ids in the path that nothing can have. */
export const checkedPath: MiddlewareHandler = async ({ req }, next) => {
  for (const part of new URL(req.url).pathname.split('/')) {
    const name = decoded(part);
    const fault =
      name === null
        ? 'is not the encoding of a text'
        : name.length > maxPart
          ? `is longer than ${maxPart} characters`
          : isPlain(name)
            ? null
            : notPlain;
    if (fault !== null) throw wrongValues([{ parameter: 'path', message: `a part of the path ${fault}` }]);
  }
  await next();
};

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** What a check of `checked` reads, and as what. */
interface RequestCheck {
  readonly target: 'query' | 'json' | 'param';
  readonly schema: z.ZodType;
}

/** By the middleware, so that the API's document can be made from the routes. */
const checks = new WeakMap<object, RequestCheck>();

export function checkOf(middleware: object): RequestCheck | undefined {
  return checks.get(middleware);
}

/** Answers 422 for missing or wrong values, before anything reaches a worker. */
export function checked<Target extends 'query' | 'json' | 'param', Schema extends z.ZodType>(
  target: Target,
  schema: Schema,
) {
  const check = validator(target, (value: unknown, { req }): z.output<Schema> => {
    if (target === 'json') checkJsonType(req.header('content-type'));
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    throw wrongValues(
      read.error.issues.map(({ path, message }) =>
        target === 'json'
          ? { path: ['$', ...path].join('.'), message: `${path.join('.') || 'the body'}: ${message}` }
          : { parameter: path.join('.'), message: `${path.join('.')}: ${message}` },
      ),
    );
  });
  checks.set(check, { target, schema });
  return check;
}

/** A body of another type would be read as an empty one. */
function checkJsonType(type: string | undefined): void {
  if (type === undefined || /^\s*application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) return;
  throw new Problem(
    415,
    `the body must be JSON in UTF-8: Content-Type: application/json, not '${type.slice(0, 100)}'`,
  );
}

function wrongValues(errors: readonly ProblemDetail[]): Problem {
  return new Problem(422, errors.map(({ message }) => message).join('; '), { errors });
}
