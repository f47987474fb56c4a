// Asking the server.
import { useEffect, useState } from 'preact/hooks';

export class Refused extends Error {
  readonly status: number;
  /** What is wrong with which field of a form. */
  readonly fields: Readonly<Record<string, string>>;

  constructor(status: number, message: string, fields: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** What the server answers; the caller names its shape, which is the one that /docs shows. Throws {@link Refused}. */
export async function ask<Answer>(
  method: Method,
  path: string,
  body?: object,
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await fetch(path, {
    method,
    ...(signal && { signal }),
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new Refused(0, 'The server cannot be reached.');
  });
  const answer = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (response.ok) return answer as Answer;
  if (response.status === 401 && path !== '/auth/login') dispatchEvent(new Event('signed-out'));
  const fields = (answer?.errors ?? []).map((one: { path: string; message: string }) => [
    one.path,
    one.message,
  ]);
  throw new Refused(response.status, answer?.detail ?? `HTTP ${response.status}`, Object.fromEntries(fields));
}

export interface Loaded<Data> {
  /** Of this path, or of the one before while this one is loading. */
  readonly data: Data | undefined;
  readonly error: string | undefined;
  /** Shows something at once that the server is being told. */
  set(data: Data): void;
}

/** Loads, and loads again when `revision` changes. */
export function useLoad<Data>(path: string, revision: number): Loaded<Data> {
  const [data, set] = useState<Data>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const controller = new AbortController();
    ask<Data>('GET', path, undefined, controller.signal).then(
      (loaded) => {
        set(loaded);
        setError(undefined);
      },
      (failure: Error) => {
        if (!controller.signal.aborted) setError(failure.message);
      },
    );
    return () => controller.abort();
  }, [path, revision]);
  return { data, error, set };
}
