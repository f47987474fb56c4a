// Doctor: common mistakes in the application, the broker and the workers.
import type { App } from '../../../app/app.ts';
import type { Finding } from '../../../doctor/finding.ts';

export interface DoctorReport {
  /** Errors first. */
  readonly findings: readonly Finding[];
  /** The application's tasks were examined, too: its code is loaded in the dashboard's process. */
  readonly hasTasks: boolean;
}

/** Examines once at a time: users who open the page meanwhile get the same report. */
export class Doctor {
  readonly #app: App;
  #examining: Promise<DoctorReport> | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  /** Takes a few seconds, in which workers reply and send heartbeats. An unavailable broker is a finding. */
  report(): Promise<DoctorReport> {
    this.#examining ??= this.#examine().finally(() => {
      this.#examining = null;
    });
    return this.#examining;
  }

  async #examine(): Promise<DoctorReport> {
    const [{ examine }, { noSources }] = await Promise.all([
      import('../../../doctor/examine.ts'),
      import('../../../doctor/sources.ts'),
    ]);
    const hasTasks = [...this.#app.tasks].some(
      ({ name, run }) => run !== null && !name.startsWith('celery.'),
    );
    return { findings: await examine(this.#app, { sources: hasTasks ? noSources : null }), hasTasks };
  }
}
