// Runs tasks again: one, with other arguments if they are wrong, or all that are selected.
import type { JSX } from 'preact';
import type { TaskRecord } from '../../../history/record.ts';
import type { TaskLine } from '../../server/pages/tasks.ts';
import { answer, api } from '../api.ts';
import { count, plural } from '../format.ts';
import { navigate, taskLink } from '../router.ts';
import { confirm } from '../ui/confirm.tsx';
import { run } from '../ui/dialog.tsx';
import { boxOf, JsonBox, readBox } from '../ui/json-box.tsx';
import { readWholePython } from '../ui/python-literal.ts';

/** Sends a new task with the same call, or with changed arguments. */
export function askToRetry({ id, name, args, kwargs, argsRepr, kwargsRepr, queue }: TaskRecord): void {
  // Python's events have a call only as text. Most of them can be read, and the user sees what was read.
  let target = '';
  const [told, isGuess] = [args !== null && kwargs !== null, { isGuess: true }];
  const given = {
    args: args === null ? boxOf(readWholePython(argsRepr), isGuess) : boxOf(args),
    kwargs: kwargs === null ? boxOf(readWholePython(kwargsRepr), isGuess) : boxOf(kwargs),
  };
  confirm({
    title: `Run ${name ?? 'task'} again`,
    verb: 'Run again',
    effect: (
      <div class="stack">
        <p>
          Sends a new task. What this one has done so far stays done, and what followed it does not follow the
          new one.
        </p>
        {!told && <p>Python’s events tell a call only as text: look whether it was read right.</p>}
        <JsonBox label="Arguments (a JSON list)" box={given.args} />
        <JsonBox label="Keyword arguments (a JSON object)" box={given.kwargs} />
        <QueueField
          label={
            queue === null
              ? 'Queue (not known; empty: the one of the task in this application)'
              : `Queue (empty: ${queue})`
          }
          onType={(typed) => {
            target = typed;
          }}
        />
      </div>
    ),
    act: async (why) => {
      const typed = { args: readBox(given.args), kwargs: readBox(given.kwargs) };
      // The server refuses values of a wrong type.
      const json = JSON.parse(JSON.stringify(typed)) as {
        args?: unknown[];
        kwargs?: Record<string, unknown>;
      };
      const to = target === '' ? {} : { queue: target };
      const sent = await answer(
        api.tasks[':id'].retry.$post({ param: { id }, query: why, json: { ...json, ...to } }),
      );
      navigate(taskLink(sent.id));
      return `sent as ${sent.id}`;
    },
  });
}

/** Sends each again with its own call. Those of which only a text is known that cannot be read are left out. `left`: how many selected tasks have not ended. */
export async function askToRunAgain(
  tasks: readonly TaskLine[],
  left: number,
  done: () => void,
): Promise<void> {
  const title = `Run ${plural(tasks.length, 'task')} again`;
  let repeats: readonly Repeat[];
  try {
    repeats = await Promise.all(tasks.map(({ id }) => repeatOf(id)));
  } catch (error) {
    return run(title, () => Promise.reject(error));
  }
  const sendable = repeats.filter(({ problem }) => problem === null);
  const read = sendable.filter(({ text }) => text !== '');
  const unread = repeats.length - sendable.length;
  let target = '';
  confirm({
    title,
    verb: 'Run again',
    effect: (
      <div class="stack">
        <p>
          Sends a new task for each, with the same call. What they have done so far stays done, and what
          followed them does not follow the new ones.
        </p>
        {read.length > 0 && (
          <>
            <p>
              Python’s events tell the calls of {plural(read.length, 'task')} only as text: look whether they
              were read right.
            </p>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard */}
            <pre class="code code-short" tabIndex={0}>
              {read.map(({ text }) => text).join('\n')}
            </pre>
          </>
        )}
        {sendable.some(({ queue }) => queue === null) && (
          <QueueField
            label="Queue of those whose queue is not known (empty: the one of the task in this application)"
            onType={(typed) => {
              target = typed;
            }}
          />
        )}
        {left > 0 && <p class="dim">{plural(left, 'task has', 'tasks have')} not ended, and is left out.</p>}
        {unread > 0 && (
          <p class="dim">
            {plural(unread, 'task is', 'tasks are')} left out:{' '}
            {repeats.find(({ problem }) => problem !== null)?.problem}. The page of a task takes other
            arguments.
          </p>
        )}
      </div>
    ),
    act: async (why) => {
      const refused: string[] = [];
      // One after the other: each is a message of its own, and what the first refusal says is shown.
      for (const { id, queue, changes } of sendable) {
        const json = { ...changes, ...(queue === null && target !== '' && { queue: target }) };
        await answer(api.tasks[':id'].retry.$post({ param: { id }, query: why, json })).catch(
          (error: unknown) => refused.push(error instanceof Error ? error.message : String(error)),
        );
      }
      done();
      const sent = `${plural(sendable.length - refused.length, 'task')} sent.`;
      return refused.length === 0 ? sent : `${sent} ${count(refused.length)} refused: ${refused[0]}`;
    },
  });
}

function QueueField(props: { readonly label: string; onType(queue: string): void }): JSX.Element {
  return (
    <label class="field">
      <span>{props.label}</span>
      <input
        autocomplete="off"
        maxLength={255}
        onInput={({ currentTarget }) => props.onType(currentTarget.value.trim())}
      />
    </label>
  );
}

/** A task that is run again. */
interface Repeat {
  readonly id: string;
  /** Null: not known. */
  readonly queue: string | null;
  /** What was read of a text, and is sent. */
  readonly changes: { readonly args?: unknown[]; readonly kwargs?: Record<string, unknown> };
  /** The call, if it was read of a text; empty: the server has it. */
  readonly text: string;
  /** Why it is left out; null: it is not. */
  readonly problem: string | null;
}

async function repeatOf(id: string): Promise<Repeat> {
  const { task } = await answer(api.tasks[':id'].$get({ param: { id } }));
  const { name, queue } = task;
  const args = task.args === null ? readWholePython(task.argsRepr) : undefined;
  const kwargs = task.kwargs === null ? readWholePython(task.kwargsRepr) : undefined;
  const isRead = (args === undefined || Array.isArray(args)) && (kwargs === undefined || isRecord(kwargs));
  const isHidden = JSON.stringify([task.args, task.kwargs]).includes('********');
  const problem =
    name === null
      ? 'its name is not known'
      : isRead && !isHidden
        ? null
        : 'its arguments are not known whole, since they were cut, hid a secret, or had other values than plain ones';
  const changes = { ...(Array.isArray(args) && { args }), ...(isRecord(kwargs) && { kwargs }) };
  const text = Object.values(changes).map((each) => JSON.stringify(each));
  return { id, queue, changes, text: text.length === 0 ? '' : [name, ...text].join(' '), problem };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
