// `umbel events` on a terminal: the screen of what happens.
import { ClusterState } from '../../events/cluster-state.ts';
import { captureEvents } from '../../events/receiver.ts';
import { redacted } from '../../lib/redact.ts';
import { version } from '../../lib/version.ts';
import type { Session } from '../common.ts';
import { Screen } from '../terminal/screen.ts';
import { enablingControl, endOfCommand } from './listen.ts';
import { Monitor } from './monitor.ts';

interface LiveOptions {
  readonly enable: boolean;
  readonly routingKey?: string;
}

/** The shortest time between two drawings, and the longest: workers that fall silent are seen to. */
const drawEveryMs = 100;
const drawAtLeastMs = 1000;

/** Runs until `q` or Ctrl-C. @throws UsageError without a terminal */
export async function liveMonitor({ app, output }: Session, options: LiveOptions): Promise<void> {
  const state = new ClusterState();
  await using enabling = await enablingControl(app, options.enable);
  using ending = endOfCommand();
  let dirty = true;
  let drawnAt = 0;
  const changed = (): void => {
    dirty = true;
  };
  // Before the screen: what goes wrong on the way is to be read.
  await using _hearing = await captureEvents(
    app,
    (event) => {
      state.add(event);
      changed();
    },
    options.routingKey === undefined ? {} : { routingKey: options.routingKey },
  );
  using screen = new Screen({
    colors: output.colors,
    onKey: (key) => (key === 'ctrl-z' ? screen.suspend() : monitor.press(key)),
    onResize: () => draw(),
  });
  const monitor = new Monitor({
    title: redacted(`umbel events ${version} · ${app.config.broker}`),
    state,
    control: enabling.control,
    size: () => screen,
    changed: () => draw(),
    bell: () => screen.bell(),
    quit: ending.end,
  });
  const draw = (): void => {
    dirty = false;
    drawnAt = performance.now();
    screen.draw(monitor.draw());
  };
  draw();
  const drawing = setInterval(() => {
    if (dirty || performance.now() - drawnAt > drawAtLeastMs) draw();
  }, drawEveryMs);
  try {
    await ended(ending.signal);
  } finally {
    clearInterval(drawing);
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
