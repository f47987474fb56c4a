// Runs `umbel dev`: its programs, its watching and its signals.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileOfApp } from '../../app/load-app.ts';
import { systemClock } from '../../lib/clock.ts';
import { version } from '../../lib/version.ts';
import { onShutdownSignal } from '../../worker/shutdown.ts';
import { environmentBefore, environmentNow } from '../configuration/load.ts';
import { isFreePort } from '../free-port.ts';
import { wantsColors } from '../output.ts';
import { devEnvironment, endWithParent } from '../parent.ts';
import { stoppingInOrder } from '../stop-signals.ts';
import { exitCode, UsageError } from '../usage.ts';
import { launcher } from './child.ts';
import { devLog } from './log.ts';
import { type DevChoices, programsOf } from './programs.ts';
import { projectOf, shownPath } from './sources.ts';
import { Supervisor } from './supervisor.ts';
import { watchSources } from './watch.ts';

interface DevRun extends DevChoices {
  readonly watch: boolean;
  /** Default: the project. */
  readonly watchPath?: readonly string[];
  readonly ignore?: readonly string[];
}

/** After its tasks have ended, or were given back, a program has this time to stop before it is killed, milliseconds. */
const stoppingMs = 5000;

/** Runs until a signal stops it. */
export async function develop(options: DevRun): Promise<void> {
  const { app, watch, watchPath, ignore = [] } = options;
  const appFile = fileOfApp(app);
  await checkPort(options.gateway, options.port ?? process.env.PORT, '--port');
  await checkPort(options.dashboard, options.dashboardPort, '--dashboard-port');
  endWithParent();
  const here = process.cwd();
  const colored = options.color !== false && wantsColors(process.stdout);
  const others = options.run?.map(({ name }) => name);
  const log = devLog((text) => process.stdout.write(text), { colored, ...(others && { others }) });
  const stopMs = options.graceMs + stoppingMs;
  const colors = colored ? { FORCE_COLOR: '1' } : {};
  const { broker, resultBackend } = options;
  const flags = {
    ...(broker !== undefined && { UMBEL_BROKER_URL: broker }),
    ...(resultBackend !== undefined && { UMBEL_RESULT_BACKEND: resultBackend }),
  };
  const env = { ...environmentBefore(), ...devEnvironment(stopMs), ...colors };
  const supervisor = new Supervisor({
    programs: programsOf(options),
    launch: launcher({ env, ownEnv: () => ({ ...environmentNow(), ...flags, ...colors }), stopMs }),
    log,
    stopMs,
    watches: watch,
    clock: systemClock,
  });
  const folders = watchPath?.map((folder) => resolve(folder)) ?? [projectOf(appFile)];
  const missing = folders.find((folder) => !existsSync(folder));
  if (watch && missing !== undefined) throw new UsageError(`there is no folder '${missing}' to watch`);
  using _watching = watch
    ? watchSources(
        { folders, home: here, appFile, ignored: ignore.map((path) => resolve(path)) },
        {
          changed: (files) => supervisor.codeChanged(files.map((file) => shownPath(file, here))),
          failed: (folder, why) => log.say(`cannot watch ${folder}: ${why}`),
        },
      )
    : null;
  using _ordered = stoppingInOrder();
  using _signals = onShutdownSignal((stage) => {
    if (stage === 'warm') {
      log.say('stopping: running tasks are finished. Ctrl-C again returns them to the queue');
      void supervisor.stop();
    } else {
      process.exitCode = exitCode.failed;
      void supervisor.stop();
      supervisor.hurry();
    }
  });
  log.say(`umbel ${version} · ${app}${watch ? ` · watching ${folders.join(', ')}` : ''}`);
  supervisor.start();
  const code = await supervisor.ended;
  if (code !== exitCode.ok) process.exitCode = code;
}

/** @throws UsageError if the port was chosen, and somebody has it. (Port 0 is any free one.) */
async function checkPort(
  isServed: boolean,
  chosen: number | string | undefined,
  flag: string,
): Promise<void> {
  const wanted = Number(chosen ?? 0);
  // What is no port is refused by the gateway, which knows PORT, too.
  if (!isServed || !(wanted > 0 && wanted < 65_535) || (await isFreePort(wanted))) return;
  throw new UsageError(
    `port ${wanted} is in use; choose another: ${flag} ${wanted + 1}, or stop the program that listens on it`,
  );
}
