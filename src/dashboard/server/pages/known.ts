// What workers told: pages show their last answer at once, and they are asked again behind it.

/** The age at which an answer is asked for again, milliseconds. */
const freshMs = 5_000;
/** Older answers are not shown, milliseconds. */
const staleMs = 30_000;

export interface KnownValue<Value> {
  /** The last answer; null: none came yet, it is too old, or the last request failed. */
  readonly value: Value | null;
  /** When it came, milliseconds since 1970. */
  readonly at: number | null;
  /** There is no answer yet, or it is from before an action that changed it. Another one is on its way: look again soon. */
  readonly asking: boolean;
  /** The message of the error of the last request; null: it succeeded. */
  readonly problem: string | null;
}

/** One value, and how it is asked for. Many pages share one request. */
export class Known<Value> {
  readonly #ask: () => Promise<Value>;
  readonly #freshMs: number;
  #answer: { readonly value: Value; readonly at: number } | null = null;
  #problem: string | null = null;
  #asking: Promise<void> | null = null;
  #isOutdated = false;

  /** `fresh`: the age at which it is asked for again, milliseconds. */
  constructor(ask: () => Promise<Value>, { fresh = freshMs } = {}) {
    this.#ask = ask;
    this.#freshMs = fresh;
  }

  /** Returns what is known, and asks again behind it if that is old. `stale`: the age at which an answer counts no more, milliseconds. */
  look({ stale = staleMs, now = Date.now() } = {}): KnownValue<Value> {
    const age = this.#answer === null ? Number.POSITIVE_INFINITY : now - this.#answer.at;
    if ((this.#isOutdated || age >= this.#freshMs) && this.#asking === null) this.#start();
    const answer = age <= stale ? this.#answer : null;
    return {
      value: answer?.value ?? null,
      at: answer?.at ?? null,
      asking: this.#isOutdated || (answer === null && this.#problem === null),
      problem: this.#problem,
    };
  }

  /** After an action: the next look asks again, and until the new answer is there the old one counts as outdated. */
  forget(): void {
    this.#isOutdated = true;
    this.#asking = null; // its answer may be from before the action
  }

  #start(): void {
    const asking: Promise<void> = this.#ask()
      .then(
        (value) => ({ answer: { value, at: Date.now() }, problem: null }),
        (error: unknown) => ({
          answer: null,
          problem: error instanceof Error ? error.message : String(error),
        }),
      )
      .then(({ answer, problem }) => {
        if (this.#asking !== asking) return;
        this.#asking = null;
        this.#answer = answer;
        this.#problem = problem;
        this.#isOutdated = false;
      });
    this.#asking = asking;
  }
}
