// `umbel top`: as a screen, once, or as lines of JSON.
import { ClusterState } from '../../events/cluster-state.ts';
import { captureEvents } from '../../events/receiver.ts';
import { redacted } from '../../lib/redact.ts';
import { version } from '../../lib/version.ts';
import type { Session } from '../common.ts';
import { enablingControl, endOfCommand, pause } from '../events/listen.ts';
import { Screen } from '../terminal/screen.ts';
import { paint } from '../terminal/text.ts';
import { openPeeper } from './oldest.ts';
import { Rates } from './rates.ts';
import { type Sample, Sampler } from './sample.ts';
import { drawTop } from './view.ts';

export interface TopOptions {
  readonly once: boolean;
  readonly everyMs: number;
  readonly enable: boolean;
}

const windowMs = 60_000;

/** Runs until `q` or Ctrl-C; with `once`, for one interval. @throws UsageError without a terminal, BrokerUnavailable */
export async function runTop(session: Session, { once, everyMs, enable }: TopOptions): Promise<void> {
  const { app, output } = session;
  const state = new ClusterState({ maxTasks: 1 });
  const rates = new Rates(windowMs);
  await using _enabling = await enablingControl(app, enable);
  using ending = endOfCommand();
  await using peeper = await openPeeper(app);
  await using _hearing = await captureEvents(app, (event) => {
    const now = Date.now();
    state.add(event, now);
    rates.add(event, now);
  });
  const sampler = new Sampler(app, state, rates, peeper);
  const title = redacted(`umbel top ${version} · ${app.config.broker}`);
  const lines = (sample: Sample, width: number): readonly string[] =>
    drawTop({ width, height: null, title, sample, keys: null }).map((line) =>
      paint(line, output.colors).trimEnd(),
    );

  if (once || output.json || !process.stdout.isTTY) {
    // Workers tell of themselves when they are asked to; what they have done since is a rate.
    await pause(Math.min(300, everyMs / 4), ending.signal);
    await sampler.take();
    do {
      await pause(everyMs, ending.signal);
      if (ending.signal.aborted && !once) break;
      const sample = await sampler.take();
      output.data(sample);
      for (const line of lines(sample, process.stdout.columns || 80)) output.say(line);
    } while (!once && !ending.signal.aborted);
    return;
  }

  let sample = await sampler.take();
  using screen = new Screen({
    colors: output.colors,
    onKey: (key) => {
      if (key === 'q' || key === 'ctrl-c') ending.end();
      else if (key === 'ctrl-z') screen.suspend();
    },
    onResize: () => draw(),
  });
  const draw = (): void => {
    const { width, height } = screen;
    screen.draw(drawTop({ width, height, title, sample, keys: `Every ${everyMs / 1000} s. q: quit` }));
  };
  draw();
  while (!ending.signal.aborted) {
    await pause(everyMs, ending.signal);
    if (ending.signal.aborted) break;
    sample = await sampler.take();
    draw();
  }
}
