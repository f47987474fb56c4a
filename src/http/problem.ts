// The answer to a failed request: RFC 9457, application/problem+json.
import { STATUS_CODES } from 'node:http';
import {
  BrokerUnavailable,
  DuplicateTaskError,
  InvalidArgumentsError,
  NotReplayableError,
  NotSerializableError,
  PayloadTooLargeError,
  ReservedNameError,
  SendUnconfirmed,
  StoreLostError,
  TaskNotRetriableError,
  UmbelError,
  UnknownTaskError,
} from '../errors.ts';

/** One fault of a request: in a value of its body, or in a parameter of its query. */
export interface ProblemDetail {
  /** JSONPath-like, `$` being the body: `$.rows[3].id`. */
  readonly path?: string;
  readonly parameter?: string;
  readonly message: string;
}

interface ProblemOptions {
  readonly errors?: readonly ProblemDetail[];
  readonly headers?: Readonly<Record<string, string>>;
  /** The code of the error behind it: stable, for programs. */
  readonly code?: string;
  readonly cause?: unknown;
}

/** Thrown by handlers to answer with a status and the reason. */
export class Problem extends Error {
  readonly status: number;
  readonly errors: readonly ProblemDetail[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: string | undefined;

  constructor(status: number, detail: string, { errors, headers = {}, code, cause }: ProblemOptions = {}) {
    super(detail, { cause });
    this.status = status;
    this.errors = errors;
    this.headers = headers;
    this.code = code;
  }
}

/** 400: these parameters of the query are wrong. */
export function wrongQuery(errors: readonly ProblemDetail[]): Problem {
  const what = errors.length === 1 ? 'a wrong parameter' : 'wrong parameters';
  const each = errors.map(({ parameter, message }) => `${parameter} ${message}`).join('; ');
  return new Problem(400, `the query has ${what}: ${each}`, { errors });
}

/** The problem document. */
interface ProblemDocument {
  /** Always `about:blank`: the status names the kind of problem, and `code` the problem. */
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The path of the request. */
  readonly instance: string;
  readonly requestId: string;
  readonly code?: string;
  readonly errors?: readonly ProblemDetail[];
}

export function toDocument(problem: Problem, instance: string, requestId: string): ProblemDocument {
  return {
    type: 'about:blank',
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.message,
    instance,
    requestId,
    ...(problem.code !== undefined && { code: problem.code }),
    ...(problem.errors !== undefined && { errors: problem.errors }),
  };
}

/** The answer to an error. A fault of our own reveals nothing about itself: the log has it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UmbelError) {
    const { code } = error;
    if (error instanceof ReservedNameError) return new Problem(400, error.message, { code, cause: error });
    if (error instanceof UnknownTaskError) return new Problem(404, error.message, { code, cause: error });
    if (error instanceof InvalidArgumentsError) {
      return new Problem(422, error.message, { code, errors: error.issues, cause: error });
    }
    if (error instanceof NotSerializableError) {
      const errors = [{ path: error.path, message: error.message }];
      return new Problem(422, error.message, { code, errors, cause: error });
    }
    if (error instanceof NotReplayableError) return new Problem(409, error.message, { code, cause: error });
    if (error instanceof TaskNotRetriableError)
      return new Problem(409, error.message, { code, cause: error });
    if (error instanceof DuplicateTaskError) return new Problem(409, error.message, { code, cause: error });
    if (error instanceof PayloadTooLargeError) return new Problem(413, error.message, { code, cause: error });
    if (error instanceof SendUnconfirmed) {
      const id = error.taskIds.join(', ');
      const detail = `the broker did not say whether it has the call, whose id is ${id}; repeat the request with its Idempotency-Key, if it has one, else with task_id=${id}: 202 sends it, 409 says that it was sent`;
      return new Problem(503, detail, { code, headers: { 'Retry-After': '5' }, cause: error });
    }
    if (error instanceof BrokerUnavailable || error instanceof StoreLostError) {
      const detail = 'the broker or the result backend is not available now, and nothing was sent; try again';
      return new Problem(503, detail, { code, headers: { 'Retry-After': '5' }, cause: error });
    }
  }
  return new Problem(500, 'something went wrong here; the log says what, under this request id', {
    cause: error,
  });
}
