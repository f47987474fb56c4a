// Converts errors to Celery's stored form, and back. Classes are never looked up by name.
import { type RemoteFailure, TaskFailedError, UmbelError } from '../errors.ts';
import { encodeJson } from './json.ts';
import { isMap } from './refusal.ts';
import type { WireException } from './result-meta.ts';
import { reprArgs, saferepr } from './saferepr.ts';

/** An error as a result backend stores it. */
interface WireFailure {
  readonly exception: WireException;
  /** The stacks of the error and of its causes, as text; null when there are none. */
  readonly traceback: string | null;
}

/**
 * An exception for the `except` clauses of a Python program: `throw new PythonException('shop.errors.OutOfStock', 'tea', 3)` is like
 * Python's `raise OutOfStock('tea', 3)`. A Python program that has imported the module gets an instance of the class, made from the
 * arguments; other programs get an exception class of that name. Extend it for errors that are thrown often.
 * @example
 * class OutOfStock extends PythonException {
 *   constructor(product: string, left: number) {
 *     super('shop.errors.OutOfStock', product, left);
 *   }
 * }
 */
export class PythonException extends Error {
  /** `OutOfStock` */
  readonly type: string;
  /** `shop.errors`; `builtins` for Python's built-in exceptions. */
  readonly module: string;
  /** Python's `e.args`. */
  readonly args: readonly unknown[];

  /**
   * @param path module and class; `ValueError` alone is a built-in exception
   * @throws TypeError when `path` is not the path of a class
   */
  constructor(path: string, ...args: readonly unknown[]) {
    if (!/^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)*$/u.test(path))
      throw new TypeError(`'${path}' is no class of Python: it is written 'shop.errors.OutOfStock'`);
    super(messageOf(args));
    const cut = path.lastIndexOf('.');
    this.type = path.slice(cut + 1);
    this.module = cut < 0 ? 'builtins' : path.slice(0, cut);
    this.args = args;
    this.name = this.type;
  }
}

/** An error of another process or thread in its stored form, which is written again unchanged. */
export class WrittenError extends Error {
  override readonly name: string;
  readonly wire: WireFailure;

  constructor(
    name: string,
    message: string,
    { exception, traceback }: { readonly exception: unknown; readonly traceback: string | null },
  ) {
    super(message);
    this.name = name;
    this.wire = { exception: asWireException(exception), traceback };
    if (traceback !== null) this.stack = traceback;
  }
}

/**
 * A thrown value in Celery's form. Errors that Celery knows (time limits, NotRegistered …) get Celery's names. Names of Python's built-in
 * exceptions (`ValueError`, `TypeError`) get the module `builtins`, so that a Python program can catch them. Arguments that do not fit are a
 * `TypeError`, as in Python. A failure of another task that is thrown again is written unchanged. All others are of the module `javascript`.
 */
export function encodeException(error: unknown): WireFailure {
  try {
    if (error instanceof WrittenError) return error.wire;
    if (error instanceof Error) {
      return { exception: celeryForm(error) ?? plainForm(error), traceback: traceOf(error) };
    }
    return { exception: jsException(writable(error)), traceback: null };
  } catch {
    // A getter or a proxy of the user's threw. The task's failure must be stored all the same.
    return { exception: jsException('an error that cannot be read'), traceback: null };
  }
}

/** Reads the result of a FAILURE, RETRY or REVOKED record. It accepts every form that another program may have written. */
export function decodeException(result: unknown, traceback: string | null): RemoteFailure {
  const { exc_type, exc_message, exc_module } = asWireException(result);
  const message = messageOf(exc_message);
  return { type: exc_type, message, stack: traceback, module: exc_module, args: exc_message };
}

/** A stored exception as Python shows it: `ValueError('no', 42)`. */
export function exceptionRepr(value: unknown): string {
  const { exc_type, exc_message } = asWireException(value);
  return `${exc_type}(${exc_message.map((each) => saferepr(each)).join(', ')})`;
}

/** A stored exception with all its fields. */
export function asWireException(value: unknown): WireException {
  if (!isMap(value))
    return {
      exc_type: 'Error',
      exc_message: [typeof value === 'string' ? value : saferepr(value)],
      exc_module: '',
    };
  const { exc_type, exc_message, exc_module } = value;
  return {
    exc_type: typeof exc_type === 'string' && exc_type !== '' ? exc_type : 'Error',
    exc_message: Array.isArray(exc_message)
      ? exc_message
      : exc_message === undefined || exc_message === null
        ? []
        : [exc_message],
    exc_module: typeof exc_module === 'string' ? exc_module : '',
  };
}

const jsModule = 'javascript';

function jsException(message: unknown): WireException {
  return { exc_type: 'Error', exc_message: [message], exc_module: jsModule };
}

/** Longest message, in characters: messages and traces are for people, and longer ones are cut. */
const maxMessageLength = 32_768;
const maxTraceLength = 65_536;
const maxCauses = 8;

/** The form of errors that Celery itself raises: Celery's names, and the arguments of its classes. */
function celeryForm(error: Error): WireException | undefined {
  if (error instanceof PythonException)
    return { exc_type: error.type, exc_message: error.args.map(writable), exc_module: error.module };
  if (error instanceof TaskFailedError) {
    const { remoteType, remoteArgs, remoteModule } = error;
    return { exc_type: remoteType, exc_message: [...remoteArgs], exc_module: remoteModule };
  }
  if (!(error instanceof UmbelError)) {
    if (error.name === 'Reject' && 'requeue' in error)
      return celery('Reject', [error.message, error.requeue === true]);
    return undefined;
  }
  switch (error.code) {
    case 'UMBEL_SOFT_TIME_LIMIT':
      return { exc_type: 'SoftTimeLimitExceeded', exc_message: [], exc_module: 'billiard.exceptions' };
    case 'UMBEL_TIME_LIMIT':
      return {
        exc_type: 'TimeLimitExceeded',
        exc_message: 'seconds' in error ? [error.seconds] : [],
        exc_module: 'billiard.exceptions',
      };
    case 'UMBEL_UNKNOWN_TASK':
      return celery('NotRegistered', ['task' in error ? error.task : error.message]);
    case 'UMBEL_MAX_RETRIES':
      return celery('MaxRetriesExceededError', [error.message]);
    case 'UMBEL_TASK_REVOKED':
      return celery('TaskRevokedError', ['reason' in error ? error.reason : error.message]);
    case 'UMBEL_TIMEOUT':
      return celery('TimeoutError', [error.message]);
    case 'UMBEL_INVALID_ARGUMENTS':
      return { exc_type: 'TypeError', exc_message: [error.message], exc_module: 'builtins' };
    case 'UMBEL_NOT_SERIALIZABLE':
      return { exc_type: 'EncodeError', exc_message: [error.message], exc_module: 'kombu.exceptions' };
    default:
      return undefined;
  }
}

function celery(type: string, args: readonly unknown[]): WireException {
  return { exc_type: type, exc_message: args, exc_module: 'celery.exceptions' };
}

function plainForm(error: Error): WireException {
  const type = typeName(error);
  return {
    exc_type: type,
    exc_message: [cut(String(error.message), maxMessageLength)],
    exc_module: pythonExceptions.has(type) ? 'builtins' : jsModule,
  };
}

/** The error's `name`, or the name of its class if that is more specific. */
function typeName(error: Error): string {
  const own = typeof error.name === 'string' ? error.name : '';
  const name: unknown = own === '' || own === 'Error' ? error.constructor?.name : own;
  return typeof name === 'string' && name !== '' ? cut(name, 256) : 'Error';
}

/**
 * Python's built-in exceptions that can be raised with a message alone. Exceptions that control the interpreter (SystemExit,
 * KeyboardInterrupt, StopIteration) are left out, and those whose constructor needs more arguments (UnicodeDecodeError).
 */
const pythonExceptions: ReadonlySet<string> = new Set([
  'ArithmeticError',
  'AssertionError',
  'AttributeError',
  'BlockingIOError',
  'BrokenPipeError',
  'BufferError',
  'ChildProcessError',
  'ConnectionAbortedError',
  'ConnectionError',
  'ConnectionRefusedError',
  'ConnectionResetError',
  'EOFError',
  'Exception',
  'FileExistsError',
  'FileNotFoundError',
  'FloatingPointError',
  'IOError',
  'ImportError',
  'IndentationError',
  'IndexError',
  'InterruptedError',
  'IsADirectoryError',
  'KeyError',
  'LookupError',
  'MemoryError',
  'ModuleNotFoundError',
  'NameError',
  'NotADirectoryError',
  'NotImplementedError',
  'OSError',
  'OverflowError',
  'PermissionError',
  'ProcessLookupError',
  'RecursionError',
  'ReferenceError',
  'RuntimeError',
  'SyntaxError',
  'TimeoutError',
  'TypeError',
  'UnicodeError',
  'ValueError',
  'ZeroDivisionError',
]);

function traceOf(error: Error): string | null {
  const seen = new Set<unknown>();
  let trace = '';
  let current: unknown = error;
  while (
    current instanceof Error &&
    !seen.has(current) &&
    seen.size < maxCauses &&
    trace.length < maxTraceLength
  ) {
    seen.add(current);
    const stack = typeof current.stack === 'string' ? current.stack : `${current.name}: ${current.message}`;
    trace += trace === '' ? stack : `\n\nCaused by: ${stack}`;
    if (current instanceof TaskFailedError && current.remoteStack !== null)
      trace += `\n\nCaused by: ${current.remoteStack}`;
    current = current.cause;
  }
  return trace === '' ? null : cut(trace, maxTraceLength);
}

/** A thrown value that is not an error, or its repr if it cannot be serialized. */
function writable(value: unknown): unknown {
  try {
    const text = encodeJson(value);
    return text.length <= maxMessageLength ? value : cut(text, maxMessageLength);
  } catch {
    return typeof value === 'object' ? saferepr(value) : String(value);
  }
}

/** Python's `str()` of an exception with these arguments. */
function messageOf(args: readonly unknown[]): string {
  if (args.length === 0) return '';
  if (args.length > 1) return reprArgs(args, maxMessageLength);
  const [only] = args;
  return typeof only === 'string' ? only : saferepr(only, maxMessageLength);
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
