// The command `stats`, in Celery's form.

import type { Json } from '../../protocol/message.ts';
import { storeNamed } from '../../stores/registry.ts';
import type { Panel } from './panel.ts';

/** The keys are those of Celery's pools: Flower and others read them. */
export function statsOf(panel: Panel): Json {
  const { activity, app, pool, slots, scaler, limits, lamport } = panel;
  const places = pool.report();
  const pids = [...new Set(places.map(({ pid }) => pid ?? process.pid))];
  return {
    total: activity.total,
    pid: process.pid,
    clock: String(lamport.value),
    uptime: Math.floor((Date.now() - activity.startedAt) / 1000),
    pool: {
      implementation: `umbel:${pool.name}`,
      'max-concurrency': slots.size,
      processes: pids.length > 0 ? pids : [process.pid],
      'max-tasks-per-child': 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [
        limits.soft ?? app.config.taskSoftTimeLimit ?? 0,
        limits.hard ?? app.config.taskTimeLimit ?? 0,
      ],
      writes: {
        total: activity.processed,
        avg: '0.00',
        all: '',
        raw: '',
        strategy: 'fair',
        inqueues: { total: 0, active: 0 },
      },
    },
    broker: brokerInfo(app.config.broker),
    prefetch_count: slots.size,
    expiring: activity.expiring,
    rusage: usage(),
    ...(scaler !== null && {
      autoscaler: { ...scaler.bounds, current: slots.size, qty: slots.busy },
    }),
  };
}

/** The broker's address, without its password. */
function brokerInfo(urls: string): Json {
  const [first = ''] = urls.split(';');
  const parsed = URL.canParse(first.replace(/^[a-z+]+:/i, 'http:'))
    ? new URL(first.replace(/^[a-z+]+:/i, 'http:'))
    : null;
  const transport = /^([a-z+]+):/i.exec(first)?.[1]?.toLowerCase() ?? '';
  return {
    hostname: parsed?.hostname || 'localhost',
    userid: parsed?.username || null,
    virtual_host: decodeURIComponent(parsed?.pathname.slice(1) || '') || '/',
    port: parsed?.port ? Number(parsed.port) : null,
    retry: false,
    ssl: storeNamed(first)?.encrypted?.includes(transport) === true,
    transport,
    connect_timeout: 4,
    transport_options: {},
    login_method: null,
    uri_prefix: null,
    heartbeat: 0,
    failover_strategy: 'round-robin',
    alternates: [],
  };
}

/** In the form of Python's `resource.getrusage`. */
function usage(): Json {
  const used = process.resourceUsage();
  return {
    utime: used.userCPUTime / 1e6,
    stime: used.systemCPUTime / 1e6,
    maxrss: used.maxRSS,
    ixrss: used.sharedMemorySize,
    idrss: used.unsharedDataSize,
    isrss: used.unsharedStackSize,
    minflt: used.minorPageFault,
    majflt: used.majorPageFault,
    nswap: used.swappedOut,
    inblock: used.fsRead,
    oublock: used.fsWrite,
    msgsnd: used.ipcSent,
    msgrcv: used.ipcReceived,
    nsignals: used.signalsCount,
    nvcsw: used.voluntaryContextSwitches,
    nivcsw: used.involuntaryContextSwitches,
  };
}
