// `umbel events` and `umbel top`: one screen with two tabs. `top` can also print once, into a pipe, or as lines of JSON.
import { ClusterState } from '../../events/cluster-state.ts';
import { captureEvents } from '../../events/receiver.ts';
import { redacted } from '../../lib/redact.ts';
import { version } from '../../lib/version.ts';
import type { Session } from '../common.ts';
import { enablingControl, endOfCommand, pause } from '../events/listen.ts';
import { type Key, Screen } from '../terminal/screen.ts';
import { type Line, paint } from '../terminal/text.ts';
import { EventsTab } from './events-tab.ts';
import { Rates } from './rates.ts';
import { Sampler } from './sample.ts';
import { drawTop } from './top-view.ts';

interface MonitorOptions {
  /** Whether to ask workers to send task events. */
  readonly enable: boolean;
  /** How often the broker is queried, milliseconds. */
  readonly everyMs: number;
  /** Pattern of the events to show. */
  readonly routingKey?: string;
  /** The first tab; or `top` as text, repeatedly or once. */
  readonly as: 'events' | 'top' | 'text' | 'once';
}

const windowMs = 60_000;
/** The shortest time between two drawings, and the longest, which makes silent workers visible; milliseconds. */
const drawEveryMs = 100;
const drawAtLeastMs = 1000;

/** Runs until `q` or Ctrl-C; `once`: for one interval. @throws UsageError without a terminal, BrokerUnavailable */
export async function runMonitor({ app, output }: Session, options: MonitorOptions): Promise<void> {
  const { as, enable, everyMs, routingKey } = options;
  const isScreen = as === 'events' || as === 'top';
  const state = new ClusterState(isScreen ? {} : { maxTasks: 1 });
  const rates = new Rates(windowMs);
  let isDirty = true;
  await using enabling = await enablingControl(app, enable);
  using ending = endOfCommand();
  await using _hearing = await captureEvents(
    app,
    (event) => {
      const now = Date.now();
      state.add(event, now);
      rates.add(event, now);
      isDirty = true;
    },
    routingKey === undefined ? {} : { routingKey },
  );
  const sampler = new Sampler(app, state, rates);
  const titleOf = (tab: 'events' | 'top'): string =>
    redacted(`umbel ${tab} ${version} · ${app.config.broker}`);

  if (!isScreen) {
    // Rates need two samples. Workers send events only after they were asked to.
    await pause(Math.min(300, everyMs / 4), ending.signal);
    await sampler.take();
    do {
      await pause(everyMs, ending.signal);
      if (ending.signal.aborted && as !== 'once') break;
      const sample = await sampler.take();
      output.data(sample);
      const width = process.stdout.columns || 80;
      for (const line of drawTop({ width, height: null, title: titleOf('top'), sample, keys: null }))
        output.say(paint(line, output.colors).trimEnd());
    } while (as !== 'once' && !ending.signal.aborted);
    return;
  }

  let tab = as;
  let sample = await sampler.take();
  let sampledAt = performance.now();
  let drawnAt = 0;
  const events = new EventsTab({
    title: titleOf('events'),
    state,
    control: enabling.control,
    size: () => screen,
    changed: () => draw(),
    bell: () => screen.bell(),
    quit: ending.end,
  });
  const lines = (): readonly Line[] => {
    const { width, height } = screen;
    const keys = `Every ${everyMs / 1000} s. tab:events q:quit`;
    return tab === 'events' ? events.draw() : drawTop({ width, height, title: titleOf('top'), sample, keys });
  };
  const draw = (): void => {
    isDirty = false;
    drawnAt = performance.now();
    screen.draw(lines());
  };
  const press = (key: Key): void => {
    if (key === 'ctrl-z') screen.suspend();
    else if (key === 'tab') {
      tab = tab === 'events' ? 'top' : 'events';
      draw();
    } else if (tab === 'events') events.press(key);
    else if (key === 'q' || key === 'ctrl-c') ending.end();
  };
  using screen = new Screen({ colors: output.colors, onKey: press, onResize: draw });
  draw();
  while (!ending.signal.aborted) {
    await pause(drawEveryMs, ending.signal);
    if (ending.signal.aborted) break;
    if (tab === 'top' && performance.now() - sampledAt > everyMs) {
      sampledAt = performance.now();
      sample = await sampler.take();
      isDirty = true;
    }
    if (isDirty || performance.now() - drawnAt > drawAtLeastMs) draw();
  }
}
