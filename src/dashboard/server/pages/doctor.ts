// Doctor: common mistakes in the application, the broker and the workers.
import type { App } from '../../../app/app.ts';
import type { Finding } from '../../../doctor/finding.ts';
import { withDeadline } from '../../../lib/deadline.ts';
import { Known } from './known.ts';

export interface DoctorReport {
  /** Errors first. Null: it was not examined yet, or the last examination failed. */
  readonly findings: readonly Finding[] | null;
  /** The application's tasks are examined, too: its code is loaded in the dashboard's process. */
  readonly hasTasks: boolean;
  /** When the findings were found, milliseconds since 1970. */
  readonly at: number | null;
  /** An examination runs: look again soon. */
  readonly examining: boolean;
  /** Why the last examination failed. */
  readonly problem: string | null;
}

/** The age at which findings are looked for again when somebody opens the page, milliseconds. */
const freshMs = 30_000;
/** Older findings are not shown, milliseconds. */
const staleMs = 3_600_000;

/** How long the checks may take, milliseconds: a store that hangs must not keep the next ones from beginning. */
const deadlineMs = 60_000;

/** Examines once at a time, and keeps the findings: nobody waits for workers that do not reply. */
export class Doctor {
  readonly #app: App;
  readonly #findings: Known<readonly Finding[]>;
  #isExamining = false;

  constructor(app: App) {
    this.#app = app;
    this.#findings = new Known(() => this.#examine(), { fresh: freshMs });
  }

  /** What was found last. `again`: it is examined again, however new that is. */
  report(again: boolean): DoctorReport {
    if (again && !this.#isExamining) this.#findings.forget();
    const { value, at, problem } = this.#findings.look({ stale: staleMs });
    return { findings: value, hasTasks: this.#hasTasks, at, examining: this.#isExamining, problem };
  }

  get #hasTasks(): boolean {
    return [...this.#app.tasks].some(({ name, run }) => run !== null && !name.startsWith('celery.'));
  }

  /** Takes a few seconds, in which workers reply and send heartbeats. An unavailable broker is a finding. */
  async #examine(): Promise<readonly Finding[]> {
    this.#isExamining = true;
    try {
      const [{ examine }, { noSources }] = await Promise.all([
        import('../../../doctor/examine.ts'),
        import('../../../doctor/sources.ts'),
      ]);
      const examining = examine(this.#app, { sources: this.#hasTasks ? noSources : null });
      return await withDeadline(deadlineMs, examining, () => new Error('The checks did not end in time.'));
    } finally {
      this.#isExamining = false;
    }
  }
}
