// `umbel events --camera`: passes snapshots of the cluster to a module of the user's at regular intervals.

import { LoadError } from '../../app/import-module.ts';
import { loadModule } from '../../app/load-app.ts';
import { parseRate } from '../../config/rate.ts';
import { ClusterState } from '../../events/cluster-state.ts';
import { captureEvents } from '../../events/receiver.ts';
import type { Session } from '../common.ts';
import { enablingControl, endOfCommand, pause } from './listen.ts';

/** The function that the module exports, as `default` or `camera`. It may empty the state with `state.clear()`. */
type Camera = (state: ClusterState) => void | Promise<void>;

interface CameraOptions {
  /** The module: `./snapshots.ts`. */
  readonly camera: string;
  /** Time between two snapshots. */
  readonly frequencyMs: number;
  /** Highest rate of snapshots: `10/m`. */
  readonly maxRate?: string;
  readonly enable: boolean;
  readonly quiet: boolean;
  readonly routingKey?: string;
  /** End after this number of snapshots. */
  readonly limit?: number;
}

/**
 * Runs until Ctrl-C. An error of the camera is printed, and the next snapshot is passed to it all the same. While a call has not ended, no
 * other is made.
 * @throws LoadError when the module cannot be loaded, or exports no function
 */
export async function takeSnapshots({ app, output }: Session, options: CameraOptions): Promise<void> {
  const camera = await cameraOf(options.camera);
  const perSecond = options.maxRate === undefined ? null : parseRate(options.maxRate, '--maxrate');
  const everyMs = Math.max(options.frequencyMs, perSecond === null ? 0 : 1000 / perSecond);
  const state = new ClusterState();
  await using _enabling = await enablingControl(app, options.enable);
  using ending = endOfCommand();
  const { routingKey } = options;
  await using _hearing = await captureEvents(
    app,
    (event) => state.add(event),
    routingKey === undefined ? {} : { routingKey },
  );
  if (!options.quiet)
    output.note(`Taking snapshots with ${options.camera} (every ${everyMs / 1000} s); Ctrl-C ends.`);
  for (let taken = 0; !ending.signal.aborted && taken !== options.limit; taken++) {
    await pause(everyMs, ending.signal);
    if (ending.signal.aborted) break;
    try {
      await camera(state);
    } catch (error) {
      output.note(`umbel: the camera failed: ${error instanceof Error ? error.message : error}`);
    }
  }
}

async function cameraOf(spec: string): Promise<Camera> {
  const module = await loadModule(spec);
  const found = module.default ?? module.camera;
  if (typeof found !== 'function')
    throw new LoadError(`'${spec}' exports no camera: export default (state) => { … }`);
  return found as Camera; // the user's function, which is called with the type that it declares
}
