// The tab of events: its state and its keys, which are Celery's. events-view.ts draws it.
import type { Control } from '../../control/control.ts';
import type { Answers } from '../../control/mailbox.ts';
import type { ClusterState } from '../../events/cluster-state.ts';
import type { MonitoredTask } from '../../events/monitored-task.ts';
import { shown } from '../output.ts';
import type { Key } from '../terminal/screen.ts';
import { type Line, wrap } from '../terminal/text.ts';
import { drawEvents, fieldsOf, type Popup, pageRows, rowsOf } from './events-view.ts';

interface EventsTabRules {
  readonly title: string;
  readonly state: ClusterState;
  readonly control: Pick<Control, 'revoke' | 'rateLimit'>;
  size(): { readonly width: number; readonly height: number };
  /** Called when the screen must be drawn again. */
  changed(): void;
  bell(): void;
  quit(): void;
}

interface Prompt {
  readonly question: string;
  readonly typed: string;
  /** Whether a single key is the answer. */
  readonly single: boolean;
  readonly act: (answer: string) => void;
}

/** How many tasks are kept for scrolling. */
const maxTasks = 1000;

export class EventsTab {
  readonly #rules: EventsTabRules;
  #selected: string | null = null;
  #popup: Popup | null = null;
  #prompt: Prompt | null = null;
  /** The tasks at the time of the pause; null: not paused. */
  #frozen: readonly MonitoredTask[] | null = null;

  constructor(rules: EventsTabRules) {
    this.#rules = rules;
  }

  draw(now: number = Date.now()): readonly Line[] {
    const { state, title } = this.#rules;
    const { width, height } = this.#rules.size();
    return drawEvents({
      width,
      height,
      title,
      tasks: this.#tasks(),
      selected: this.#selected,
      popup: this.#popup,
      prompt: this.#prompt,
      paused: this.#frozen !== null,
      workers: state.workers.map((worker) => ({ ...worker, alive: state.isAlive(worker, now) })),
      eventCount: state.eventCount,
      taskCount: state.taskCount,
    });
  }

  press(key: Key): void {
    if (key === 'ctrl-c') this.#rules.quit();
    else if (this.#prompt !== null) this.#answer(this.#prompt, key);
    else if (this.#popup !== null) this.#turn(this.#popup, key);
    else this.#command(key.length === 1 ? key.toLowerCase() : key);
    this.#rules.changed();
  }

  #tasks(): readonly MonitoredTask[] {
    return this.#frozen ?? this.#rules.state.tasksByTime({ limit: maxTasks });
  }

  #command(key: Key): void {
    const rows = rowsOf(this.#rules.size().height);
    const commands: Readonly<Record<Key, () => void>> = {
      j: () => this.#move(1),
      down: () => this.#move(1),
      k: () => this.#move(-1),
      up: () => this.#move(-1),
      pagedown: () => this.#move(rows),
      pageup: () => this.#move(-rows),
      home: () => this.#move(-maxTasks),
      end: () => this.#move(maxTasks),
      ' ': () => this.#hold(),
      q: () => this.#rules.quit(),
      i: () => this.#show('Task details for', infoText),
      s: () => this.#show('Task details for', infoText),
      enter: () => this.#show('Task details for', infoText),
      a: () =>
        this.#show('Arguments of', ({ args, kwargs }) => `args: ${args ?? '?'}\nkwargs: ${kwargs ?? '?'}`),
      t: () =>
        this.#show('Task Exception Traceback for', ({ traceback, exception }) => traceback ?? exception),
      r: () => this.#show('Task Result for', ({ result, exception }) => result ?? exception),
      c: () => this.#revoke(),
      l: () => this.#rateLimit(),
    };
    if (Object.hasOwn(commands, key)) commands[key]?.();
  }

  #hold(): void {
    this.#frozen = this.#frozen === null ? this.#tasks() : null;
  }

  #move(by: number): void {
    const tasks = this.#tasks();
    const at = tasks.findIndex(({ uuid }) => uuid === this.#selected);
    const to = Math.max(0, Math.min(tasks.length - 1, at + by)); // `at` is -1 when no task is selected: `j` selects the first
    this.#selected = tasks[to]?.uuid ?? null;
  }

  #chosen(): MonitoredTask | undefined {
    if (this.#selected === null) return undefined;
    return (
      this.#rules.state.task(this.#selected) ?? this.#tasks().find(({ uuid }) => uuid === this.#selected)
    );
  }

  #show(title: string, textOf: (task: MonitoredTask) => string | null): void {
    const task = this.#chosen();
    const text = task === undefined ? null : textOf(task);
    if (task === undefined || text === null) this.#rules.bell();
    else this.#popup = { title: `${title} ${task.uuid}`, text, from: 0 };
  }

  #turn(popup: Popup, key: Key): void {
    const { width, height } = this.#rules.size();
    const room = pageRows(height);
    const last = Math.max(0, wrap(popup.text, Math.max(10, width - 6)).length - room);
    const steps: Readonly<Record<Key, number>> = {
      j: 1,
      down: 1,
      k: -1,
      up: -1,
      pagedown: room,
      pageup: -room,
      ' ': room,
    };
    const step = steps[key];
    this.#popup =
      step === undefined || last === 0
        ? null
        : { ...popup, from: Math.max(0, Math.min(last, popup.from + step)) };
  }

  #answer(prompt: Prompt, key: Key): void {
    if (key === 'escape') this.#prompt = null;
    else if (prompt.single) {
      this.#prompt = null;
      if (key.toLowerCase() === 'y') prompt.act(key);
    } else if (key === 'enter') {
      this.#prompt = null;
      if (prompt.typed.trim() !== '') prompt.act(prompt.typed.trim());
    } else if (key === 'backspace') this.#prompt = { ...prompt, typed: prompt.typed.slice(0, -1) };
    else if (key.length === 1) this.#prompt = { ...prompt, typed: prompt.typed + key };
  }

  #revoke(): void {
    const task = this.#chosen();
    if (task === undefined) {
      this.#rules.bell();
      return;
    }
    this.#prompt = {
      question: `Revoke ${task.name ?? 'task'} ${task.uuid}? (y/n)`,
      typed: '',
      single: true,
      act: () => this.#showAnswers(this.#rules.control.revoke(task.uuid)),
    };
  }

  #rateLimit(): void {
    const name = this.#chosen()?.name ?? null;
    if (name === null) {
      this.#rules.bell();
      return;
    }
    this.#prompt = {
      question: `New rate limit of ${name}:`,
      typed: '',
      single: false,
      act: (limit) => this.#showAnswers(this.#rules.control.rateLimit(name, limit)),
    };
  }

  #showAnswers(answers: Promise<Answers>): void {
    const show = (text: string): void => {
      this.#popup = { title: 'Remote Control Command Replies', text, from: 0 };
      this.#rules.changed();
    };
    show('Waiting for replies...');
    answers.then(
      (given) => show(repliesText(given)),
      (error: unknown) => show(error instanceof Error ? error.message : String(error)),
    );
  }
}

function infoText(task: MonitoredTask): string {
  return fieldsOf(task)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

function repliesText({ replies, silent }: Answers): string {
  const lines = [...replies].map(([node, reply]) => `${node}: ${replyText(reply)}`);
  for (const node of silent) lines.push(`${node}: no answer`);
  return lines.length === 0 ? 'No replies received in 1s deadline.' : lines.join('\n');
}

function replyText(reply: unknown): string {
  if (typeof reply === 'object' && reply !== null) {
    if ('error' in reply) return `error: ${shown(reply.error)}`;
    if ('ok' in reply) return shown(reply.ok);
  }
  return shown(reply);
}
