// Receives changes of the cluster from the server.
import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { LiveDelta } from '../server/pages/live-feed.ts';
import { base } from './router.ts';

/** `stale`: the connection failed, or no message came for 12 s; the server sends one at least every 5 s. */
type LiveState = 'connecting' | 'live' | 'paused' | 'stale';

export const live = signal<LiveState>('connecting');
export const paused = signal(false);
/** Time of the latest message, milliseconds since 1970. */
export const lastMessageAt = signal<number | null>(null);
/** The current time, milliseconds since 1970. Changes each second while the page is visible. */
export const clock = signal(Date.now());

const silenceMs = 12_000;
/** Workers reply within a second. */
const soonMs = 300;
const listeners = new Set<(delta: LiveDelta) => void>();
let source: EventSource | null = null;

function open(): void {
  close();
  source = new EventSource(`${base}/api/v1/live`);
  source.addEventListener('delta', ({ data }: MessageEvent<string>) => {
    lastMessageAt.value = Date.now();
    live.value = 'live';
    const delta = JSON.parse(data) as LiveDelta; // the server's route sends this type
    for (const each of listeners) each(delta);
  });
  // The browser reconnects by itself, except after an error status.
  source.addEventListener('error', () => {
    live.value = 'stale';
    if (source?.readyState === EventSource.CLOSED) setTimeout(reopen, 3_000);
  });
}

function reopen(): void {
  if (!paused.value && !document.hidden) open();
}

function close(): void {
  source?.close();
  source = null;
}

/** Keeps a connection while the page is visible and not paused. */
export function startLive(): void {
  const connect = (): void => {
    if (document.hidden || paused.value) close();
    else if (source === null) open();
  };
  document.addEventListener('visibilitychange', () => {
    clock.value = Date.now();
    connect();
  });
  effect(() => {
    live.value = paused.value ? 'paused' : 'connecting';
    connect();
  });
  setInterval(() => {
    if (document.hidden) return;
    clock.value = Date.now();
    if (live.value === 'live' && lastMessageAt.value !== null && Date.now() - lastMessageAt.value > silenceMs)
      live.value = 'stale';
  }, 1_000);
}

/** Calls `listener` with each delta while the component is shown. */
export function useDeltas(listener: (delta: LiveDelta) => void): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const call = (delta: LiveDelta): void => latest.current(delta);
    listeners.add(call);
    return () => {
      listeners.delete(call);
    };
  }, []);
}

/**
 * Reloads after changes, at most every `everyMs`; without changes every `idleMs`.
 * Does nothing while live updates are paused.
 */
export function useRefresh(reload: () => Promise<void>, everyMs = 2_000, idleMs = 15_000): void {
  const state = useRef({ at: Date.now(), dirty: false });
  useDeltas(({ tasks, partial, workers }) => {
    if (tasks.length > 0 || partial || workers.length > 0) state.current.dirty = true;
  });
  useEffect(() => {
    let busy = false;
    const timer = setInterval(() => {
      const { at, dirty } = state.current;
      if (paused.value || document.hidden || busy) return;
      if (Date.now() - at < (dirty ? everyMs : idleMs)) return;
      state.current = { at: Date.now(), dirty: false };
      busy = true;
      void reload().finally(() => {
        busy = false;
        state.current.at = Date.now();
      });
    }, 250);
    return () => clearInterval(timer);
  }, [reload, everyMs, idleMs]);
}

/** Reloads soon while the server waits for replies of workers, also while live updates are paused. `value`: the answer that was loaded last. */
export function useReloadSoon(isAsking: boolean, value: unknown, reload: () => Promise<void>): void {
  useEffect(() => {
    void value; // each answer begins a new wait
    if (!isAsking) return undefined;
    const timer = setTimeout(() => void reload(), soonMs);
    return () => clearTimeout(timer);
  }, [isAsking, value, reload]);
}
