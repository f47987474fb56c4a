// The client of the dashboard's API. Its types come from the server's routes.
import { signal } from '@preact/signals';
import { type ClientResponse, hc, type InferResponseType } from 'hono/client';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { PageRoutes } from '../server/pages/routes.ts';
import type { Right } from '../server/users.ts';
import { base } from './router.ts';

export const api = hc<PageRoutes>(`${base}/api/v1`);

/** A failed request, with a message for the user. */
export class Fault extends Error {
  /** HTTP status; 0: the server was unreachable. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The logged-in user; null: not loaded yet. */
export const me = signal<InferResponseType<typeof api.me.$get> | null>(null);

/** Loads `me`. Repeats until the server answers. */
export async function askWhoAmI(): Promise<void> {
  try {
    me.value = await answer(api.me.$get());
  } catch {
    setTimeout(() => void askWhoAmI(), 3_000);
  }
}

/** Whether actions that need this right are offered. The server checks each again. */
export function may(right: Right): boolean {
  const { value } = me;
  return value?.readOnly === false && value.rights.includes(right);
}

/** The body of the response. @throws Fault */
export async function answer<Value>(asking: Promise<ClientResponse<Value>>): Promise<Value> {
  let response: ClientResponse<Value>;
  try {
    response = await asking;
  } catch {
    throw new Fault(0, 'The dashboard’s server cannot be reached.');
  }
  // The session is over: the server sends the page to the login, and from there back.
  if (response.status === 401 && me.value?.hasSession === true) location.reload();
  if (!response.ok) throw new Fault(response.status, await reasonOf(response));
  return (await response.json()) as Value; // the types of hono leave out that errors were thrown above
}

async function reasonOf(response: ClientResponse<unknown>): Promise<string> {
  const text = await response.text();
  try {
    const problem: unknown = JSON.parse(text);
    if (typeof problem === 'object' && problem !== null) {
      if ('detail' in problem && typeof problem.detail === 'string') return problem.detail;
      if ('error' in problem && typeof problem.error === 'string') return problem.error;
      if ('message' in problem && typeof problem.message === 'string') return problem.message;
    }
  } catch {} // plain text
  return text.slice(0, 500) || `The server answered ${response.status}.`;
}

interface Loaded<Value> {
  /** The latest answer; it stays during a reload. Null: no answer yet. */
  readonly value: Value | null;
  readonly fault: Fault | null;
  /** Sends the request again; resolves when it has ended. */
  readonly reload: () => Promise<void>;
  /** `value` belongs to another `key`; the answer for this `key` is loading. */
  readonly outdated: boolean;
}

/** Loads data from the server. A change of `key` loads it again. */
export function useLoaded<Value>(key: string, load: () => Promise<Value>): Loaded<Value> {
  const [state, setState] = useState<{ key: string; value: Value | null; fault: Fault | null }>({
    key,
    value: null,
    fault: null,
  });
  const current = useRef({ key, load, asking: null as Promise<void> | null, isOutdated: false });
  if (current.current.key !== key) {
    current.current.asking = null;
    current.current.isOutdated = false;
  }
  current.current.key = key;
  current.current.load = load;
  const reload = useMemo(
    () =>
      function again(): Promise<void> {
        const asked = current.current;
        const askedKey = asked.key;
        // One request at a time. The data may have changed since the server answered it, so another request follows it.
        if (asked.asking !== null) {
          asked.isOutdated = true;
          return asked.asking;
        }
        const asking = asked
          .load()
          .then(
            (value) => {
              if (current.current.key === askedKey) setState({ key: askedKey, value, fault: null });
            },
            (error: unknown) => {
              const fault = error instanceof Fault ? error : new Fault(0, String(error));
              if (current.current.key === askedKey)
                setState((before) => ({
                  key: askedKey,
                  value: before.key === askedKey ? before.value : null,
                  fault,
                }));
            },
          )
          .finally(() => {
            const now = current.current;
            if (now.asking !== asking) return;
            now.asking = null;
            if (!now.isOutdated) return;
            now.isOutdated = false;
            void again();
          });
        asked.asking = asking;
        return asking;
      },
    [],
  );
  useEffect(() => {
    void key; // a change of `key` reloads
    void reload();
  }, [key, reload]);
  return { value: state.value, fault: state.fault, reload, outdated: state.key !== key };
}
