// Checks of an application that need no broker and no worker: its tasks, schedules and settings. Pure.

import type { App } from '../app/app.ts';
import type { AnyTask } from '../app/task.ts';
import { backendOptions } from '../config/driver-options.ts';
import { redacted } from '../lib/redact.ts';
import { postgresSettings } from '../stores/postgres/client/settings.ts';
import { storeNamed } from '../stores/registry.ts';
import { type Finding, listed } from './finding.ts';
import { type HabitCheck, habitChecks, names } from './habits.ts';
import { type ApplicationSources, codeIn, noSources } from './sources.ts';

/** The findings of all checks. */
export function examineApplication(app: App, sources: ApplicationSources = noSources): readonly Finding[] {
  const tasks = [...app.tasks].filter(({ run, name }) => run !== null && !name.startsWith('celery.'));
  const checks = [
    ...[...taskChecks, ...habitChecks].map((check) => check(tasks, sources)),
    scheduled(app),
    severalApps(sources),
    notImported(sources),
    ...urls(app),
    noTasks(app, tasks),
    keptForEver(app),
  ];
  return checks.filter((finding) => finding !== null);
}

const blocks =
  /\b(?:execSync|spawnSync|execFileSync|readFileSync|writeFileSync|pbkdf2Sync|scryptSync)\)?\s*\(|Atomics\.wait\(/;
/** Loops that wait for a time, or that run some hundred million times. */
const spins = /\bwhile\s*\([^)]*\b(?:Date|performance)\.now\(|<=?\s*(?:\d[\d_]{8,}|\d+e(?:[89]|\d\d))\b/;

const taskChecks: readonly HabitCheck[] = [
  (tasks) => {
    const without = tasks.filter(
      ({ options }) => options.timeLimit === null && options.softTimeLimit === null,
    );
    if (without.length === 0) return null;
    return {
      check: 'time-limits',
      level: 'warning',
      what: `${without.length} of ${tasks.length} tasks have no time limit: ${names(without)}`,
      why: 'a task that hangs keeps its slot for ever; when all slots hang, the worker runs nothing more',
      fix: "for all: new App(name, { taskSoftTimeLimit: '4m', taskTimeLimit: '5m' }); for one: app.task(name, { timeLimit: 30 }, …)",
    };
  },
  (tasks, sources) => {
    const without = tasks.filter(
      (task) =>
        sources.callsOut(task) &&
        task.options.maxRetries !== 0 && // on purpose
        task.options.autoretryFor.length === 0 &&
        !/\.retry\(/.test(sources.codeOf(task)),
    );
    if (without.length === 0) return null;
    return {
      check: 'retries',
      level: 'warning',
      what: `these tasks call other services and are not retried: ${names(without)}`,
      why: 'networks fail from time to time; without a retry the task fails for good',
      fix: 'app.task(name, { autoretryFor: [Error], retryBackoff: true, maxRetries: 5 }, …), or throw task.retry(error); maxRetries: 0 if it shall not be retried',
    };
  },
  (tasks, { codeOf }) => {
    const without = tasks.filter((task) => {
      const code = codeIn(codeOf(task));
      return /(?<![.\w$])fetch\(/.test(code) && !/\bsignal\b/.test(code);
    });
    if (without.length === 0) return null;
    return {
      check: 'signals',
      level: 'note',
      what: `these tasks fetch without a signal: ${names(without)}`,
      why: 'a soft time limit and a stopping worker can stop such code by task.signal only',
      fix: '{ bind: true } and fetch(url, { signal: task.signal })',
    };
  },
  (tasks, { codeOf }) => {
    const prints = /\bconsole\.(?:log|info|warn|error)\(|\bprocess\.std(?:out|err)\.write\(/;
    const printing = tasks.filter((task) => prints.test(codeIn(codeOf(task))));
    if (printing.length === 0) return null;
    return {
      check: 'logging',
      level: 'note',
      what: `these tasks print instead of logging: ${names(printing)}`,
      why: 'a printed line has no level and does not name its task',
      fix: "{ bind: true } and task.logger.info({ … }, 'what happened')",
    };
  },
  (tasks, { codeOf }) => {
    const blocking = tasks.filter((task) => {
      const code = codeIn(codeOf(task));
      return blocks.test(code) || (spins.test(code) && !/\b(?:await|yield)\b/.test(code));
    });
    if (blocking.length === 0) return null;
    return {
      check: 'blocking',
      level: 'warning',
      what: `these tasks block the event loop: ${names(blocking)}`,
      why: 'in the pool async all tasks of a worker share it: no other task runs meanwhile, and no time limit ends the code',
      fix: 'use the asynchronous form, or a worker with -P processes (or threads) for their queue',
    };
  },
  (tasks) => {
    const early = tasks.filter(({ options }) => !options.acksLate);
    if (early.length === 0) return null;
    return {
      check: 'early-acks',
      level: 'note',
      what: `these tasks are acknowledged before they run: ${names(early)}`,
      why: 'such a task is lost if its worker or its pool process dies',
      fix: 'leave out acksLate: false if the task may be repeated',
    };
  },
];

function severalApps({ apps }: ApplicationSources): Finding | null {
  if (apps < 2) return null;
  return {
    check: 'two-apps',
    level: 'warning',
    what: `the modules of the application make ${apps} Apps`,
    why: 'each has its own tasks, settings and connections: a worker of one does not know the tasks of the other',
    fix: 'make one App in a module of its own, and import it wherever tasks are defined or sent; app.remote(…) is for tasks of another program',
  };
}

function notImported({ forgotten }: ApplicationSources): Finding | null {
  if (forgotten.length === 0) return null;
  return {
    check: 'imports',
    level: 'warning',
    what: `these files define tasks, but no module imports them: ${listed(forgotten)}`,
    why: 'a task exists only if its module is imported: a worker does not know these tasks',
    fix: "import them beside the App, or name them: new App(name, { include: ['./tasks/mail'] })",
  };
}

function noTasks(app: App, tasks: readonly AnyTask[]): Finding | null {
  if (tasks.length > 0) return null;
  return {
    check: 'imports',
    level: 'error',
    what: `the application '${app.name}' has no tasks`,
    why: 'a task exists only if its module is imported: a worker of this application would run nothing',
    fix: "import the modules of the tasks beside the App, or name them: new App(name, { include: ['./tasks'] })",
  };
}

function scheduled(app: App): Finding | null {
  const missing = [...app.schedules].flatMap(({ name, call }) => {
    const task = call.kind === 'task' ? call.task : call.signature.task;
    return app.tasks.has(task) || task.startsWith('celery.') ? [] : [`${name} (${task})`];
  });
  if (missing.length === 0) return null;
  return {
    check: 'schedules',
    level: 'warning',
    what: `schedules send tasks that the application does not define: ${listed(missing)}`,
    why: 'a task with a mistyped name is sent all the same, and becomes a dead letter each time',
    fix: 'pass the task instead of its name, or app.remote(…) for a task of another program',
  };
}

function urls({ config }: App): (Finding | null)[] {
  const places = [
    ['broker', config.broker],
    ...(config.backend !== null && config.backend !== config.broker ? [['backend', config.backend]] : []),
  ];
  return [
    ...places.flatMap(([what = '', url = '']) => url.split(';').map((each) => urlFinding(what, each))),
    plainPostgres(config),
  ];
}

const local = /^(?:localhost|127\.|::1|\[::1\]|0\.0\.0\.0$|$)/;

function urlFinding(what: string, url: string): Finding | null {
  const store = storeNamed(url);
  if (store?.ephemeral) {
    return {
      check: 'memory',
      level: 'error',
      what: `the ${what} is ${redacted(url)}`,
      why: 'it ends with its process: waiting messages are lost, and no other process sees them',
      fix: 'leave the setting out (a file in .umbel/), or use redis://, amqp:// or postgresql://; memory is for tests',
    };
  }
  if (store === null || store.embedded || !URL.canParse(url)) return null;
  const { protocol, hostname, username, password } = new URL(url);
  if (local.test(hostname)) return null;
  const isOpen = password === '' || (username === 'guest' && password === 'guest');
  if (isOpen) {
    return {
      check: 'password',
      level: 'error',
      what: `the ${what} on ${hostname} has ${password === '' ? 'no password' : "RabbitMQ's standard password"}`,
      why: 'anybody who can reach it can run every task, read every argument, and delete everything',
      fix: 'set a user and a password on the server and in the URL',
    };
  }
  if (store.encrypted?.includes(protocol.slice(0, -1)) !== false) return null;
  return {
    check: 'tls',
    level: 'warning',
    what: `the connection to the ${what} on ${hostname} is not encrypted`,
    why: 'arguments, results and the password can be read on the network',
    fix: `use ${protocol.replace(':', 's:')}// (rediss://, amqps://) unless the network is private`,
  };
}

/** libpq would try TLS by default; here a URL without `sslmode` means no TLS. */
function plainPostgres(config: App['config']): Finding | null {
  const { backend } = config;
  if (backend === null || storeNamed(backend)?.name !== 'postgres' || /[?&]sslmode=/.test(backend))
    return null;
  const { host, tls } = postgresSettings(backend, 'backend', backendOptions(config));
  if (tls !== null || host.startsWith('/') || local.test(host)) return null;
  return {
    check: 'tls',
    level: 'warning',
    what: `the connection to the backend on ${host} is not encrypted: its URL has no sslmode`,
    why: 'results and the password can be read on the network',
    fix: 'end the URL with ?sslmode=verify-full, or in a private network with ?sslmode=disable',
  };
}

function keptForEver({ config }: App): Finding | null {
  if (config.backend === null || config.resultExpires !== null) return null;
  return {
    check: 'expiry',
    level: 'warning',
    what: 'results are kept for ever (resultExpires: null)',
    why: 'the store grows with every task until it is full',
    fix: "resultExpires: '1d', and ignoreResult: true for tasks whose result is never read",
  };
}
