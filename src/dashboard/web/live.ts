// What changes in the cluster, as the server tells it.
import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { LiveDelta } from '../server/pages/live-feed.ts';
import { base } from './router.ts';

/** `stale`: nothing was heard for longer than the server is ever silent. */
type LiveState = 'connecting' | 'live' | 'paused' | 'stale';

export const live = signal<LiveState>('connecting');
export const paused = signal(false);
/** When something was last heard, milliseconds since 1970. */
export const lastMessageAt = signal<number | null>(null);
/** Moves each second while the page is seen. */
export const clock = signal(Date.now());

const silenceMs = 12_000;
const listeners = new Set<(delta: LiveDelta) => void>();
let source: EventSource | null = null;

function open(): void {
  close();
  source = new EventSource(`${base}/api/v1/live`);
  source.addEventListener('delta', ({ data }: MessageEvent<string>) => {
    lastMessageAt.value = Date.now();
    live.value = 'live';
    const delta = JSON.parse(data) as LiveDelta; // what the server's route writes
    for (const each of listeners) each(delta);
  });
  // The browser connects again by itself, unless the server refused.
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

/** Connects while the page is seen and not paused. */
export function startLive(): void {
  const look = (): void => {
    if (document.hidden || paused.value) close();
    else if (source === null) open();
  };
  document.addEventListener('visibilitychange', () => {
    clock.value = Date.now();
    look();
  });
  effect(() => {
    live.value = paused.value ? 'paused' : 'connecting';
    look();
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
    const hear = (delta: LiveDelta): void => latest.current(delta);
    listeners.add(hear);
    return () => {
      listeners.delete(hear);
    };
  }, []);
}

/**
 * Asks again when something has changed, but at most every `everyMs`; and every `idleMs` though nothing was told.
 * Not while it is paused.
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
