// Draws the tab of events. Pure.
import type { WorkerState } from '../../events/cluster-state.ts';
import type { MonitoredTask } from '../../events/monitored-task.ts';
import { fitLine, fitted, type Line, type Span, type Tone, wrap } from '../terminal/text.ts';

/** A page over the list, with the details that the user asked for. */
export interface Popup {
  readonly title: string;
  readonly text: string;
  /** The first line shown. */
  readonly from: number;
}

interface EventsView {
  readonly width: number;
  readonly height: number;
  /** `umbel events 0.1.0 · redis://…`. */
  readonly title: string;
  /** Tasks, the latest first. */
  readonly tasks: readonly MonitoredTask[];
  readonly selected: string | null;
  readonly popup: Popup | null;
  /** The question that is being asked, and the text that is typed so far. */
  readonly prompt: { readonly question: string; readonly typed: string } | null;
  readonly paused: boolean;
  readonly workers: readonly (WorkerState & { readonly alive: boolean })[];
  readonly eventCount: number;
  readonly taskCount: number;
}

/** How many lines are around the list: title and head above it; a line, the selected task, workers, numbers and keys below it. */
const around = 7;

/** How many tasks a screen of this height shows. */
export function rowsOf(height: number): number {
  return Math.max(1, height - around);
}

/** Exactly `height` lines of exactly `width` cells. */
export function drawEvents(view: EventsView): readonly Line[] {
  const lines = view.popup === null ? list(view) : page(view, view.popup);
  return lines.slice(0, view.height).map((line) => fitLine(line, view.width));
}

const toneOf: Readonly<Record<string, Tone>> = {
  SUCCESS: 'green',
  FAILURE: 'red',
  RETRY: 'red',
  REVOKED: 'magenta',
  REJECTED: 'magenta',
  STARTED: 'yellow',
};

function list(view: EventsView): readonly Line[] {
  const { width, height, tasks, workers, selected, paused } = view;
  const rows = rowsOf(height);
  const at = tasks.findIndex(({ uuid }) => uuid === selected);
  // The selected task stays visible.
  const from = Math.max(0, Math.min(at - rows + 1, tasks.length - rows));
  const shown = tasks.slice(from, from + rows);
  const columns = columnsOf(width);
  const alive = workers.filter((worker) => worker.alive);
  const lines: Line[] = [
    [
      { text: view.title, tones: ['bold'] },
      ...(paused ? [{ text: '  paused', tones: ['yellow'] } as const] : []),
    ],
    [{ text: row(columns, ['UUID', 'TASK', 'WORKER', 'TIME', 'STATE']), tones: ['bold', 'underline'] }],
    ...shown.map((task) => taskLine(columns, task, task.uuid === selected)),
  ];
  if (shown.length === 0) lines.push([{ text: 'Nothing has happened yet.', tones: ['dim'] }]);
  while (lines.length < rows + 2) lines.push([]);
  const task = tasks[at];
  return [
    ...lines,
    [{ text: '─'.repeat(width), tones: ['dim'] }],
    task === undefined
      ? [{ text: 'No task selected' }]
      : [{ text: 'Selected: ', tones: ['bold'] }, { text: shortInfo(task) }],
    alive.length === 0
      ? [{ text: 'No workers discovered.' }]
      : [
          { text: 'Workers online: ', tones: ['bold'] },
          { text: alive.map(({ hostname }) => hostname).join(', ') },
        ],
    [
      { text: 'Info: ', tones: ['bold'] },
      {
        text: `events: ${view.eventCount} tasks: ${view.taskCount} workers: ${alive.length}/${workers.length}`,
        tones: ['dim'],
      },
    ],
    view.prompt === null
      ? [{ text: 'Keys: ', tones: ['bold'] }, keysHelp(width)]
      : [{ text: `${view.prompt.question} `, tones: ['bold'] }, { text: `${view.prompt.typed}█` }],
  ];
}

function keysHelp(width: number): Span {
  const long =
    'j:down k:up i:info a:args t:traceback r:result c:revoke l:rate limit space:pause tab:top q:quit';
  const short = 'j k i:info a:args t:trace r:result c:revoke l:limit space tab:top q:quit';
  return { text: width >= long.length + 6 ? long : short, tones: ['dim'] };
}

interface Columns {
  readonly uuid: number;
  readonly task: number;
  readonly worker: number;
}

const timeWidth = 8;
const stateWidth = 8;

/** The widths of columns. Time and state are fixed; the id gets its full width if there is room; task and worker share the rest. */
function columnsOf(width: number): Columns {
  const rest = Math.max(9, width - 2 - timeWidth - stateWidth - 4);
  const uuid = Math.max(3, Math.min(36, rest - 16 - 15));
  const task = Math.max(3, Math.ceil((rest - uuid) * 0.55));
  return { uuid, task, worker: Math.max(3, rest - uuid - task) };
}

function row(
  { uuid, task, worker }: Columns,
  cells: readonly [string, string, string, string, string],
): string {
  return `  ${fitted(cells[0], uuid)} ${fitted(cells[1], task)} ${fitted(cells[2], worker)} ${fitted(cells[3], timeWidth)} ${fitted(cells[4], stateWidth)}`;
}

function taskLine(columns: Columns, task: MonitoredTask, selected: boolean): Line {
  const { uuid, name, worker, client, timestamp, state } = task;
  const text = row(columns, [
    uuid,
    shortName(name ?? '?', columns.task),
    worker ?? client ?? '*NONE*',
    clockTime(timestamp),
    state,
  ]);
  const before = text.slice(0, -stateWidth);
  const tones: Tone[] = selected ? ['inverse'] : [];
  const tone = toneOf[state];
  return [
    { text: selected ? `> ${before.slice(2)}` : before, tones },
    { text: fitted(state, stateWidth), tones: tone === undefined ? tones : [...tones, tone] },
  ];
}

/** Shortens a long name at its beginning, as in Celery, since its end is more specific. */
function shortName(name: string, width: number): string {
  return name.length <= width ? name : `[.]${name.slice(name.length - width + 3)}`;
}

/** The time of day in UTC, as on Celery's screen. */
function clockTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toISOString().slice(11, 19);
}

function shortInfo(task: MonitoredTask): string {
  return fieldsOf(task)
    .filter(([name]) => name !== 'traceback' && name !== 'uuid')
    .map(
      ([name, value]) =>
        `${name}=${name === 'result' && value.length > 16 ? `${value.slice(0, 15)}…` : value}`,
    )
    .join(' ');
}

/** The known fields of a task, in Celery's order. */
export function fieldsOf(task: MonitoredTask): readonly (readonly [string, string])[] {
  const { args, kwargs, state, name, ...rest } = task;
  const times = new Set([
    'sent',
    'received',
    'started',
    'succeeded',
    'failed',
    'retried',
    'revoked',
    'rejected',
    'timestamp',
  ]);
  const fields: [string, string][] = [];
  for (const [key, value] of Object.entries({ args, kwargs, name, state, ...rest })) {
    if (value === null || value === undefined) continue;
    const shown =
      times.has(key) && typeof value === 'number'
        ? timeText(value)
        : key === 'runtime'
          ? `${Number(value).toFixed(3)} s`
          : String(value);
    fields.push([key, shown]);
  }
  return fields;
}

function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('T', ' ').slice(0, 23);
}

function page({ width, height }: EventsView, { title, text, from }: Popup): readonly Line[] {
  const body = wrap(text, Math.max(10, width - 6));
  const room = pageRows(height);
  const first = Math.min(from, Math.max(0, body.length - room));
  const shown = body.slice(first, first + room);
  const more =
    body.length > room ? `  (${first + 1}-${first + shown.length} of ${body.length} lines, j/k)` : '';
  const lines: Line[] = [
    [],
    [{ text: '   ' }, { text: title, tones: ['bold', 'underline'] }],
    [],
    ...shown.map((line): Line => [{ text: `   ${line}` }]),
  ];
  while (lines.length < height - 1) lines.push([]);
  return [...lines, [{ text: `Press any key to continue...${more}`, tones: ['bold'] }]];
}

/** How many lines of text a page shows. */
export function pageRows(height: number): number {
  return Math.max(1, height - 4);
}
