// The form that sends a task.
import type { JSX } from 'preact';
import { answer, api, useLoaded } from '../api.ts';
import { navigate, taskLink } from '../router.ts';
import { confirm } from '../ui/confirm.tsx';
import { boxOf, JsonBox, readBox } from '../ui/json-box.tsx';

/** Sends a task of any name, and opens its page. */
export function askToSend(): void {
  const typed = { name: '', queue: '', countdown: '' };
  const [args, kwargs] = [boxOf(null), boxOf(null)];
  confirm({
    title: 'Send a task',
    verb: 'Send',
    effect: (
      <div class="stack">
        <TaskName onInput={(name) => (typed.name = name.trim())} />
        <JsonBox label="Arguments (a JSON list; empty: none)" box={args} />
        <JsonBox label="Keyword arguments (a JSON object; empty: none)" box={kwargs} />
        <label class="field">
          <span>Queue (empty: the one of the task)</span>
          <input
            autocomplete="off"
            maxLength={255}
            onInput={({ currentTarget }) => {
              typed.queue = currentTarget.value.trim();
            }}
          />
        </label>
        <label class="field">
          <span>Not before so many seconds (empty: now)</span>
          <input
            type="number"
            min="0"
            onInput={({ currentTarget }) => {
              typed.countdown = currentTarget.value;
            }}
          />
        </label>
      </div>
    ),
    act: async (why) => {
      // The server refuses values of a wrong type.
      const call = JSON.parse(JSON.stringify({ args: readBox(args), kwargs: readBox(kwargs) })) as {
        args?: unknown[];
        kwargs?: Record<string, unknown>;
      };
      const { name, queue, countdown } = typed;
      const json = {
        ...{ name, args: [], kwargs: {} },
        ...call,
        ...(queue !== '' && { queue }),
        ...(countdown !== '' && { countdown: Number(countdown) }),
      };
      const { id } = await answer(api.tasks.send.$post({ query: why, json }));
      navigate(taskLink(id));
      return `sent as ${id}`;
    },
  });
}

/** Its names of the history are offered. */
function TaskName({ onInput }: { onInput: (name: string) => void }): JSX.Element {
  const names = useLoaded('names to send', () => answer(api.tasks.names.$get()));
  return (
    <label class="field">
      <span>Name of the task</span>
      <input
        class="mono"
        list="task-names"
        required
        autocomplete="off"
        spellcheck={false}
        maxLength={512}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      <datalist id="task-names">
        {(names.value?.names ?? []).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}
