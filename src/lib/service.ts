// A project that compiles for es2022 or es2023 without @types/node does not know `AsyncDisposable` yet.
/// <reference lib="esnext.disposable" preserve="true" />

/**
 * The one shape of everything that lives long. `stop()` is safe before `start()`, twice, and while starting;
 * it resolves when the thing is really at rest.
 */
export interface Service extends AsyncDisposable {
  /** Starts it; resolves when it is ready. */
  start(): Promise<void>;
  /** Stops it; resolves when it has ended. */
  stop(): Promise<void>;
}
