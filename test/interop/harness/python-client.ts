// A Python program that sends tasks and reads results, as a colleague's would.
import { Decimal, PlainDate, PlainTime, Uuid } from '../../../src/protocol/values.ts';
import { patience } from '../../until.ts';
import { type PythonOptions, PythonProcess } from './python-process.ts';

/** Parts of a call as Python expressions: `'("ä", datetime(2026, 1, 2))'`. */
export interface PythonCall {
  readonly args?: string;
  readonly kwargs?: string;
  /** The keywords of `apply_async`: `'dict(queue="slow", countdown=3)'`. */
  readonly options?: string;
}

/** How a task ended, as Python's `AsyncResult.get` tells. */
export type PythonOutcome =
  | { readonly state: string; readonly value: unknown; readonly error?: undefined }
  | {
      readonly state: string;
      readonly traceback: string | null;
      readonly error: {
        readonly class: string;
        readonly module: string;
        readonly args: readonly unknown[];
        readonly text: string;
        /** Its classes, up to `object`. */
        readonly bases: readonly string[];
      };
    };

/** The fields of Python's `AsyncResult`. */
export interface PythonMeta {
  readonly state: string;
  readonly ready: boolean;
  readonly successful: boolean;
  readonly failed: boolean;
  /** The value or meta; of an exception its repr. */
  readonly info: unknown;
  readonly date_done: string | null;
  readonly traceback: string | null;
  readonly children: readonly string[];
  readonly parent: string | null;
  readonly name: string | null;
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly worker: string | null;
  readonly retries: number | null;
  readonly queue: string | null;
}

export class PythonClient implements AsyncDisposable {
  readonly #process: PythonProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PythonOptions) {
    this.#process = new PythonProcess('the Python client', ['interop_client.py'], options);
  }

  /** Sends a call; resolves with its id. */
  send(name: string, call: PythonCall = {}): Promise<string> {
    return this.#ask({ op: 'send', name, ...call });
  }

  /** Waits for the end of a task. The value is as {@link fromCanonical} reads it. */
  async get(id: string): Promise<PythonOutcome> {
    const answer = await this.#ask<PythonOutcome>({ op: 'get', id, ...patience });
    if (answer.error === undefined) return { state: answer.state, value: fromCanonical(answer.value) };
    const args = fromCanonical(answer.error.args);
    return { ...answer, error: { ...answer.error, args: Array.isArray(args) ? args : [] } };
  }

  /** Sends a call and returns its value. @throws when the task fails. */
  async call(name: string, call: PythonCall = {}): Promise<unknown> {
    const outcome = await this.get(await this.send(name, call));
    if (outcome.error !== undefined)
      throw new Error(`${name}: ${outcome.error.class}: ${outcome.error.text}\n${outcome.traceback}`);
    return outcome.value;
  }

  async meta(id: string): Promise<PythonMeta> {
    const meta = await this.#ask<PythonMeta>({ op: 'meta', id });
    const [info, args, kwargs] = [meta.info, meta.args, meta.kwargs].map((value) =>
      typeof value === 'string' ? value : fromCanonical(value),
    );
    return { ...meta, info, args, kwargs };
  }

  forget(id: string): Promise<unknown> {
    return this.#ask({ op: 'forget', id });
  }

  /** The value of any Python expression; `app` is the application. */
  async eval(code: string): Promise<unknown> {
    return fromCanonical(await this.#ask({ op: 'eval', code }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  /** One question at a time: Python answers in order. */
  #ask<T>(question: object): Promise<T> {
    const answer = this.#last.then(async () => {
      this.#process.tell(JSON.stringify(question));
      const { ok, error }: { ok: T; error?: string } = JSON.parse(await this.#process.line());
      if (error !== undefined) throw new Error(error);
      return ok;
    });
    this.#last = answer.catch(() => {});
    return answer;
  }
}

/** A value as the Python half describes it (`canonical.py`), as the value that we make of it. */
export function fromCanonical(described: unknown): unknown {
  if (typeof described !== 'object' || described === null) return described;
  if (has(described, 'int')) {
    const number = Number(described.int);
    return Number.isSafeInteger(number) ? number : BigInt(String(described.int));
  }
  if (has(described, 'float')) {
    return described.float === 'nan'
      ? Number.NaN
      : Buffer.from(String(described.float), 'hex').readDoubleBE();
  }
  if (has(described, 'text') && !has(described, 'other')) return described.text;
  if (has(described, 'bytes')) return new Uint8Array(Buffer.from(String(described.bytes), 'base64'));
  if (has(described, 'time')) return new Date(String(described.time));
  if (has(described, 'list') && Array.isArray(described.list)) return described.list.map(fromCanonical);
  if (has(described, 'map') && Array.isArray(described.map)) {
    const members: readonly [string, unknown][] = described.map;
    return Object.fromEntries(members.map(([key, value]) => [key, fromCanonical(value)]));
  }
  if (has(described, 'other') && has(described, 'text')) {
    const text = String(described.text);
    if (described.other === 'Decimal') return new Decimal(text);
    if (described.other === 'UUID') return new Uuid(text);
    if (described.other === 'date') return new PlainDate(text);
    if (described.other === 'time') return new PlainTime(text);
    return `${described.other} ${text}`;
  }
  throw new Error(`not a description of a value: ${JSON.stringify(described)}`);
}

function has<Key extends string>(value: object, key: Key): value is Record<Key, unknown> {
  return Object.hasOwn(value, key);
}
