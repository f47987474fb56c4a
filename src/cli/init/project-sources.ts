/** What a template adds to the files that all small projects have. */
export interface ProjectSources {
  /** `src/app.ts` */
  readonly app: string;
  /** `src/main.ts`, which `npm start` runs. */
  readonly main: string;
  /** `test/app.test.ts` */
  readonly test: string;
  /** Arguments of `umbel call` that run one of its tasks. */
  readonly call: string;
}
