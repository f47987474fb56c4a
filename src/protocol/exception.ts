// Errors as Celery keeps them, and back to what can be said of them here. Classes are never looked up by name.
import { type RemoteFailure, TaskFailedError, UmbelError } from '../errors.ts';
import { encodeJson } from './json.ts';
import { isMap } from './refusal.ts';
import type { WireException } from './result-meta.ts';
import { reprArgs, saferepr } from './saferepr.ts';

/** What a result backend keeps of an error. */
interface WireFailure {
  readonly exception: WireException;
  /** Its stack and those of its causes, as text; null when it has none. */
  readonly traceback: string | null;
}

/**
 * An exception as a Python program knows it, for its `except` clauses: `throw new PythonException('shop.errors.OutOfStock', 'tea', 3)`
 * is its `raise OutOfStock('tea', 3)`. Python makes it anew from the arguments, if it has imported the module; else it sees one of that
 * name. Extend it for errors that are thrown often.
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
  /** `shop.errors`; of Python's own exceptions `builtins`. */
  readonly module: string;
  /** Python's `e.args`. */
  readonly args: readonly unknown[];

  /**
   * @param path module and class; `ValueError` alone is one of Python's own
   * @throws TypeError when it is no such path
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

/** An error of another process or thread, as it was written there: it is written the same again. */
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
 * An error, or whatever was thrown, in Celery's form. Errors that Celery knows (time limits, NotRegistered …) get its
 * names, and names that are Python's own exceptions (`ValueError`, `TypeError`) its module, so that a Python program
 * catches them as what they are; so have arguments that do not fit, which are a `TypeError` there. What a task elsewhere failed with,
 * thrown on, is written the same again. All others are of the module `javascript`.
 */
export function encodeException(error: unknown): WireFailure {
  try {
    if (error instanceof WrittenError) return error.wire;
    if (error instanceof Error) {
      return { exception: celeryForm(error) ?? plainForm(error), traceback: traceOf(error) };
    }
    return { exception: jsException(writable(error)), traceback: null };
  } catch {
    // A getter or a proxy of the user's. The failure itself must not get lost for it.
    return { exception: jsException('an error that cannot be read'), traceback: null };
  }
}

/** Reads the result of a FAILURE, RETRY or REVOKED record, leniently: whatever a peer wrote, there is an answer. */
export function decodeException(result: unknown, traceback: string | null): RemoteFailure {
  const { exc_type, exc_message, exc_module } = asWireException(result);
  const message = messageOf(exc_message);
  return { type: exc_type, message, stack: traceback, module: exc_module, args: exc_message };
}

/** A stored exception with every part there. */
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

/** Messages and traces are for people; nobody reads more of them. */
const maxMessageLength = 32_768;
const maxTraceLength = 65_536;
const maxCauses = 8;

/** Errors that Celery makes itself: its names, and the arguments that its classes take. */
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

/** The name that it calls itself, or its class's, if that says more. */
function typeName(error: Error): string {
  const own = typeof error.name === 'string' ? error.name : '';
  const name: unknown = own === '' || own === 'Error' ? error.constructor?.name : own;
  return typeof name === 'string' && name !== '' ? cut(name, 256) : 'Error';
}

/**
 * Python's exceptions that may be raised from one message. Not those that steer the interpreter (SystemExit,
 * KeyboardInterrupt, StopIteration), nor those whose constructor wants more (UnicodeDecodeError).
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

/** A thrown value that is no error, if it can be written; else its repr. */
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
