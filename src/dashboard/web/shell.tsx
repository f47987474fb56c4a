// The frame of all pages: navigation, state of live updates, and preferences.

import { signal, useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Right } from '../server/users.ts';
import { me } from './api.ts';
import { utcTime } from './format.ts';
import { keyMap, useKeys } from './keys.ts';
import { clock, lastMessageAt, live, paused, useDeltas } from './live.ts';
import { AuditPage } from './pages/audit.tsx';
import { DeadLetterPage, DeadLettersPage } from './pages/dead-letters.tsx';
import { DoctorPage } from './pages/doctor.tsx';
import { FailuresPage } from './pages/failures.tsx';
import { JobPage } from './pages/job.tsx';
import { JobsPage } from './pages/jobs.tsx';
import { LimitsPage } from './pages/limits.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { QueuePage, QueuesPage } from './pages/queues.tsx';
import { SchedulesPage } from './pages/schedules.tsx';
import { TaskPage } from './pages/task.tsx';
import { TasksPage } from './pages/tasks.tsx';
import { WorkerPage } from './pages/worker.tsx';
import { WorkersPage } from './pages/workers.tsx';
import { WorkflowPage } from './pages/workflow.tsx';
import { Palette, paletteOpen } from './palette.tsx';
import { density, shortcuts, theme, timeStyle } from './preferences.ts';
import { base, link, navigate, path, under } from './router.ts';
import { ConfirmDialog } from './ui/confirm.tsx';
import { Dialog, Toasts } from './ui/dialog.tsx';
import { Icon, type IconName } from './ui/icon.tsx';
import { Empty, Warning } from './ui/notice.tsx';
import type { PaletteEntry } from './ui/palette-match.ts';

interface Place {
  readonly page: string;
  readonly word: string;
  readonly icon: IconName;
  readonly key: string;
  /** Other users do not see it. Default: all see it. */
  readonly right?: Right;
}

const places: readonly Place[] = [
  { page: '/', word: 'Overview', icon: 'overview', key: 'o' },
  { page: '/tasks', word: 'Tasks', icon: 'tasks', key: 't' },
  { page: '/failures', word: 'Failures', icon: 'failures', key: 'f' },
  { page: '/jobs', word: 'Jobs', icon: 'retry', key: 'j' },
  { page: '/queues', word: 'Queues', icon: 'queues', key: 'q' },
  { page: '/workers', word: 'Workers', icon: 'workers', key: 'k' },
  { page: '/schedules', word: 'Schedules', icon: 'schedules', key: 's' },
  { page: '/limits', word: 'Limits, locks', icon: 'limits', key: 'l' },
  { page: '/dead', word: 'Dead letters', icon: 'dead', key: 'd' },
  { page: '/doctor', word: 'Doctor', icon: 'doctor', key: 'c', right: 'doctor' },
  { page: '/audit', word: 'Audit log', icon: 'audit', key: 'a', right: 'audit' },
];

const railOpen = signal(false);
const helpOpen = signal(false);
const brokerProblem = signal<string | null>(null);

export function Shell(): JSX.Element {
  useDeltas((delta) => {
    brokerProblem.value = delta.brokerProblem;
  });
  useKeys({
    '?': () => {
      helpOpen.value = true;
    },
    '/': () => {
      const focus = (): void => document.querySelector<HTMLInputElement>('#query')?.focus();
      if (path.value === '/tasks') focus();
      else {
        navigate(link('/tasks'));
        requestAnimationFrame(focus); // after rendering
      }
    },
    ' ': () => {
      paused.value = !paused.value;
    },
    t: nextTheme,
    ...Object.fromEntries(places.map(({ page, key }) => [`g ${key}`, () => navigate(link(page))])),
  });
  useSignalEffect(() => {
    void path.value;
    railOpen.value = false;
  });
  const here = placeOf(path.value);
  useEffect(() => {
    document.title = `${here?.word ?? 'Not found'} · Umbel`;
  }, [here]);
  return (
    <div class="shell">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="topbar">
        <button
          type="button"
          class="icon-button"
          aria-label="Menu"
          aria-expanded={railOpen.value}
          onClick={() => {
            railOpen.value = !railOpen.value;
          }}
        >
          <Icon name={railOpen.value ? 'close' : 'menu'} size={20} />
        </button>
        <Brand />
        <LiveButton />
      </header>
      <nav class={`rail${railOpen.value ? ' rail-open' : ''}`} aria-label="Pages">
        <Brand />
        <ul>
          {placesOf(me.value?.rights ?? []).map(({ page, word, icon }) => (
            <li key={page}>
              <a href={link(page)} aria-current={here?.page === page ? 'page' : undefined}>
                <Icon name={icon} />
                {word}
              </a>
            </li>
          ))}
        </ul>
        <div class="rail-foot">
          <LiveButton />
          {me.value !== null && (
            <p class="who">
              {me.value.user === 'anybody' ? me.value.app : me.value.user}
              {me.value.readOnly ? ' · read-only' : me.value.role === 'admin' ? '' : ` · ${me.value.role}`}
              <span>{me.value.version}</span>
            </p>
          )}
          {me.value?.hasSession === true && (
            <form class="who" method="post" action={`${base}/logout`}>
              <button type="submit" class="button button-small">
                Log out
              </button>
            </form>
          )}
          <div class="rail-tools">
            <button
              type="button"
              class="icon-button"
              aria-label={`Theme: ${theme.value}`}
              title={`Theme: ${theme.value} (t)`}
              onClick={nextTheme}
            >
              <Icon name={theme.value === 'system' ? 'screen' : theme.value === 'light' ? 'sun' : 'moon'} />
            </button>
            <label class="mini-select">
              <span class="off-screen">Times</span>
              <select
                value={timeStyle.value}
                onChange={({ currentTarget: { value } }) => {
                  timeStyle.value = value === 'utc' ? 'utc' : value === 'local' ? 'local' : 'relative';
                }}
              >
                <option value="relative">5m ago</option>
                <option value="local">Local time</option>
                <option value="utc">UTC</option>
              </select>
            </label>
            <button
              type="button"
              class="icon-button"
              aria-label="Go to, or do"
              title="Go to, or do (Ctrl K)"
              onClick={() => {
                paletteOpen.value = true;
              }}
            >
              <Icon name="search" />
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label="Keyboard and settings"
              title="Keyboard and settings (?)"
              onClick={() => {
                helpOpen.value = true;
              }}
            >
              <Icon name="help" />
            </button>
          </div>
        </div>
      </nav>
      <main id="content" class="content" tabIndex={-1}>
        {brokerProblem.value !== null && (
          <Warning tone="red">
            <b>The broker is away.</b> What is shown was known before. {brokerProblem.value}
          </Warning>
        )}
        <Page />
      </main>
      <Toasts />
      <ConfirmDialog />
      {helpOpen.value && <Help />}
      {paletteOpen.value && <Palette pages={pagesOf(me.value?.rights ?? [])} actions={frameActions} />}
    </div>
  );
}

function placesOf(rights: readonly Right[]): readonly Place[] {
  return places.filter(({ right }) => right === undefined || rights.includes(right));
}

function pagesOf(rights: readonly Right[]): readonly PaletteEntry[] {
  return placesOf(rights).map(({ page, word, key }) => ({
    kind: 'Page',
    label: word,
    keys: `g ${key}`,
    run: () => navigate(link(page)),
  }));
}

const frameActions: readonly PaletteEntry[] = [
  { kind: 'Action', label: 'Next theme', also: 'dark light system', keys: 't', run: nextTheme },
  {
    kind: 'Action',
    label: 'Keyboard and settings',
    also: 'help shortcuts',
    keys: '?',
    run: () => {
      helpOpen.value = true;
    },
  },
];

function nextTheme(): void {
  theme.value = theme.value === 'system' ? 'light' : theme.value === 'light' ? 'dark' : 'system';
}

/** Also serves Flower's paths: `/task/ID`, `/worker/NAME`, `/broker`. */
function Page(): JSX.Element {
  switch (path.value) {
    case '/':
      return <OverviewPage />;
    case '/tasks':
      return <TasksPage />;
    case '/failures':
      return <FailuresPage />;
    case '/jobs':
      return <JobsPage />;
    case '/queues':
    case '/broker':
      return <QueuesPage />;
    case '/workers':
      return <WorkersPage />;
    case '/schedules':
      return <SchedulesPage />;
    case '/limits':
      return <LimitsPage />;
    case '/dead':
      return <DeadLettersPage />;
    case '/doctor':
      return <DoctorPage />;
    case '/audit':
      return <AuditPage />;
  }
  const task = under('/tasks') ?? under('/task');
  if (task !== null) return <TaskPage key={task} id={task} />;
  const worker = under('/workers') ?? under('/worker');
  if (worker !== null) return <WorkerPage key={worker} name={worker} />;
  const workflow = under('/workflows');
  if (workflow !== null) return <WorkflowPage key={workflow} id={workflow} />;
  const queue = under('/queues');
  if (queue !== null) return <QueuePage key={queue} name={queue} />;
  const job = under('/jobs');
  if (job !== null) return <JobPage key={job} id={job} />;
  const letter = under('/dead');
  if (letter !== null) return <DeadLetterPage key={letter} id={letter} />;
  return (
    <Empty kind="broken" isPage title="There is no such page">
      <a href={link('/')}>To the overview</a>
    </Empty>
  );
}

function placeOf(at: string): Place | null {
  const page = at
    .replace(/^\/(?:task|workflows)(?=\/)/, '/tasks')
    .replace(/^\/worker(?=\/)/, '/workers')
    .replace(/^\/broker$/, '/queues');
  return (
    places.find((each) => each.page === page || (each.page !== '/' && page.startsWith(`${each.page}/`))) ??
    null
  );
}

function Brand(): JSX.Element {
  return (
    <a class="brand" href={link('/')} aria-label="Umbel, to the overview">
      <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
        <rect class="brand-ground" width="32" height="32" rx="7" />
        <path class="brand-stalks" d="M16 27V16M16 16 7 10.500M16 16l-4.500-8M16 16l4.500-8M16 16l9-5.500" />
        <g class="brand-flowers">
          <circle cx="6.500" cy="10" r="2.600" />
          <circle cx="11.500" cy="6.600" r="2.600" />
          <circle cx="20.500" cy="6.600" r="2.600" />
          <circle cx="25.500" cy="10" r="2.600" />
        </g>
      </svg>
      Umbel
    </a>
  );
}

function LiveButton(): JSX.Element {
  const state = live.value;
  const word =
    state === 'live'
      ? 'Live'
      : state === 'paused'
        ? 'Paused'
        : state === 'stale'
          ? `Silent since ${lastMessageAt.value === null ? 'the start' : utcTime(lastMessageAt.value).slice(11, 19)}`
          : 'Connecting';
  void clock.value;
  return (
    <button
      type="button"
      class={`live live-${state}`}
      aria-pressed={paused.value}
      title={paused.value ? 'Go on (Space)' : 'Pause (Space)'}
      onClick={() => {
        paused.value = !paused.value;
      }}
    >
      <span class="live-dot" aria-hidden="true" />
      {word}
    </button>
  );
}

function Help(): JSX.Element {
  return (
    <Dialog
      title="Keyboard and settings"
      onClose={() => {
        helpOpen.value = false;
      }}
    >
      <div class="dialog-body help">
        {keyMap.map(([group, keys]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {keys.map(({ keys: pressed, does }) => (
                <div key={pressed}>
                  <dt>
                    <kbd>{pressed}</kbd>
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Settings</h3>
          <label class="check">
            <input
              type="checkbox"
              checked={shortcuts.value === 'on'}
              onChange={({ currentTarget }) => {
                shortcuts.value = currentTarget.checked ? 'on' : 'off';
              }}
            />
            Single-letter shortcuts
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={density.value === 'compact'}
              onChange={({ currentTarget }) => {
                density.value = currentTarget.checked ? 'compact' : 'comfortable';
              }}
            />
            Compact rows
          </label>
        </section>
        <section>
          <h3>For programs</h3>
          <p>
            <a href={`${base}/api/v1/openapi.json`}>The API of these pages</a>, as OpenAPI 3.1
          </p>
        </section>
      </div>
    </Dialog>
  );
}
