// The command palette (Ctrl K): pages, queues, workers, schedules, tasks and actions, by the keyboard.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { answer, api, may, useLoaded } from './api.ts';
import { paused } from './live.ts';
import { term } from './query.ts';
import { link, navigate, taskLink, workerLink } from './router.ts';
import { confirm } from './ui/confirm.tsx';
import { Dialog } from './ui/dialog.tsx';
import { matching, mayBeId, type PaletteEntry } from './ui/palette-match.ts';

export const paletteOpen = signal(false);

/** Ctrl K (⌘K) also works in fields of text. */
export function startPalette(): void {
  document.addEventListener('keydown', (event) => {
    if (
      event.key.toLowerCase() !== 'k' ||
      !(event.ctrlKey || event.metaKey) ||
      event.altKey ||
      event.shiftKey
    )
      return;
    if (document.querySelector('dialog[open]') !== null) return;
    event.preventDefault();
    paletteOpen.value = true;
  });
}

/** `pages`: the entries of the navigation; `actions`: what the frame can do. */
export function Palette({
  pages,
  actions,
}: {
  pages: readonly PaletteEntry[];
  actions: readonly PaletteEntry[];
}): JSX.Element {
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const known = useKnown();
  useEffect(() => input.current?.focus(), []);
  const close = (): void => {
    paletteOpen.value = false;
  };
  const shown = [
    ...tasksFor(typed),
    ...matching([...pages, ...actions, ...workerActions(), ...known], typed),
    ...searchFor(typed),
  ];
  const current = Math.min(at, shown.length - 1);
  const choose = (entry: PaletteEntry | undefined): void => {
    if (entry === undefined) return;
    close();
    entry.run();
  };
  const move = (by: number): void => {
    const to = (current + by + shown.length) % Math.max(1, shown.length);
    setAt(to);
    document.getElementById(`palette-${to}`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <Dialog title="Go to, or do" onClose={close}>
      <div class="dialog-body palette">
        <input
          ref={input}
          class="palette-input"
          role="combobox"
          aria-label="A page, queue, worker, schedule, task or action"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={shown.length === 0 ? undefined : `palette-${current}`}
          placeholder="A page, queue, worker, schedule, task, id or action"
          autocomplete="off"
          spellcheck={false}
          value={typed}
          onInput={({ currentTarget }) => {
            setTyped(currentTarget.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') move(1);
            else if (event.key === 'ArrowUp') move(-1);
            else if (event.key === 'Enter') choose(shown[current]);
            else return;
            event.preventDefault();
          }}
        />
        <div id="palette-list" class="palette-list" role="listbox" aria-label="Found">
          {shown.map((entry, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys, as in the ARIA pattern of a combobox
            <div
              key={`${entry.kind} ${entry.label}`}
              id={`palette-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === current}
              onPointerMove={() => setAt(index)}
              onClick={() => choose(entry)}
            >
              <span class="palette-kind">{entry.kind}</span>
              <span class="palette-label">{entry.label}</span>
              {entry.keys !== undefined && <kbd>{entry.keys}</kbd>}
            </div>
          ))}
        </div>
      </div>
    </Dialog>
  );
}

/** Queues, workers, names of tasks and schedules. A list that cannot be loaded is missing. */
function useKnown(): readonly PaletteEntry[] {
  const queues = useLoaded('palette queues', () => answer(api.queues.$get()));
  const workers = useLoaded('palette workers', () => answer(api.workers.$get()));
  const names = useLoaded('palette names', () => answer(api.tasks.names.$get()));
  const schedules = useLoaded('palette schedules', () => answer(api.schedules.$get()));
  const goTo = (kind: string, label: string, to: string): PaletteEntry => ({
    kind,
    label,
    run: () => navigate(to),
  });
  return [
    ...(queues.value?.queues ?? []).map(({ name }) =>
      goTo('Queue', name, link(`/queues/${encodeURIComponent(name)}`)),
    ),
    ...(workers.value?.workers ?? []).map(({ name }) => goTo('Worker', name, workerLink(name))),
    ...(names.value?.names ?? []).map((name) =>
      goTo('Tasks', name, link('/tasks', { q: term('name', name) })),
    ),
    ...(schedules.value?.schedules ?? []).map(({ name }) =>
      goTo('Schedule', name, link('/schedules', { open: name })),
    ),
  ];
}

function tasksFor(typed: string): readonly PaletteEntry[] {
  const id = typed.trim();
  if (!mayBeId(id)) return [];
  return [{ kind: 'Task', label: id, run: () => navigate(taskLink(id)) }];
}

function searchFor(typed: string): readonly PaletteEntry[] {
  const query = typed.trim();
  if (query === '') return [];
  return [{ kind: 'Search tasks', label: query, run: () => navigate(link('/tasks', { q: query })) }];
}

function workerActions(): readonly PaletteEntry[] {
  return [
    ...(may('schedules')
      ? [
          {
            kind: 'Action',
            label: 'Add a schedule…',
            run: () => navigate(link('/schedules', { add: 'yes' })),
          },
        ]
      : []),
    ...(may('events')
      ? [
          {
            kind: 'Action',
            label: 'Switch on the events of all workers…',
            run: () =>
              confirm({
                title: 'Switch on the events of all workers',
                verb: 'Switch on',
                effect: <p>Each worker that answers sends events of its tasks from now on.</p>,
                act: (why) =>
                  answer(
                    api.control.$post({
                      query: why,
                      json: { workers: null, order: { action: 'enable_events' } },
                    }),
                  ),
              }),
          },
        ]
      : []),
    {
      kind: 'Action',
      label: paused.value ? 'Go on with live updates' : 'Pause live updates',
      keys: 'Space',
      run: () => {
        paused.value = !paused.value;
      },
    },
  ];
}
