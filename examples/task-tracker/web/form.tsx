// The form of a task, and that of the account.
import { useState } from 'preact/hooks';
import { priorities, statuses } from '../server/schema.ts';
import type { Task, User } from '../server/shapes.ts';
import { ask, Refused } from './api.ts';
import { useShared } from './context.ts';
import { Dialog, Field, Select } from './parts.tsx';
import { exactly, fromField, priorityNames, statusNames, toField } from './words.ts';

/** Sends a form, and keeps what was refused to show it there. */
function useSending(send: (fields: Record<string, string>) => Promise<void>) {
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  const run = async (fields: Record<string, string>) => {
    setBusy(true);
    try {
      await send(fields);
    } catch (error) {
      setRefused(error instanceof Refused ? error : new Refused(0, String(error)));
    }
    setBusy(false);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]);
    void run(Object.fromEntries(fields));
  };
  const errors = refused?.fields ?? {};
  return { submit, busy, errors, error: Object.keys(errors).length === 0 ? refused?.message : undefined };
}

export function TaskForm({ task, close }: { readonly task: Task | undefined; readonly close: () => void }) {
  const { say } = useShared();
  const [sure, setSure] = useState(false);
  const { submit, busy, errors, error } = useSending(async ({ deadline = '', ...fields }) => {
    const body = { ...fields, deadline: fromField(deadline) };
    await (task ? ask('PATCH', `/tasks/${task.id}`, body) : ask('POST', '/tasks', body));
    say(task ? 'The task is changed' : 'The task is added');
    close();
  });
  const remove = async (id: number) => {
    try {
      await ask('DELETE', `/tasks/${id}`);
      say('The task is deleted');
      close();
    } catch (failure) {
      say(String(failure), 'error');
    }
  };
  return (
    <Dialog title={task ? 'Task' : 'New task'} close={close}>
      <form class="form" onSubmit={submit}>
        <Field
          label="Title"
          name="title"
          required
          maxLength={200}
          autofocus
          defaultValue={task?.title ?? ''}
          error={errors.title}
        />
        <label class="field">
          <span>Description</span>
          <textarea name="description" rows={4} maxLength={10_000} defaultValue={task?.description ?? ''} />
        </label>
        <div class="pair">
          <Select
            label="Status"
            name="status"
            value={task?.status ?? 'todo'}
            options={statuses.map((status) => [status, statusNames[status]])}
          />
          <Select
            label="Priority"
            name="priority"
            value={task?.priority ?? 'normal'}
            options={priorities.map((priority) => [priority, priorityNames[priority]])}
          />
        </div>
        <Field
          label="Deadline (a reminder comes by mail a day before)"
          name="deadline"
          type="datetime-local"
          defaultValue={toField(task?.deadline ?? null)}
          error={errors.deadline}
        />
        <p class="error" role="alert">
          {error}
        </p>
        {task && (
          <p class="small">
            Made on {exactly(task.created_at)}
            {task.completed_at && `, done on ${exactly(task.completed_at)}`}.
          </p>
        )}
        <footer>
          {task && (
            <button
              type="button"
              class="danger"
              onClick={() => (sure ? void remove(task.id) : setSure(true))}
              onBlur={() => setSure(false)}
            >
              {sure ? 'Really delete it' : 'Delete'}
            </button>
          )}
          <button type="submit" class="main" disabled={busy}>
            {task ? 'Save' : 'Add'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface AccountParts {
  readonly changed: (user: User) => void;
  readonly leave: () => void;
  readonly close: () => void;
}

export function Account({ changed, leave, close }: AccountParts) {
  const { user, say } = useShared();
  const { submit, busy, errors, error } = useSending(async (fields) => {
    changed(await ask<User>('PATCH', '/auth/me', fields));
    say('Your account is changed');
    close();
  });
  const zones = [...new Set([user.timezone, 'UTC', ...Intl.supportedValuesOf('timeZone')])].sort();
  return (
    <Dialog title="Account" close={close}>
      <form class="form" onSubmit={submit}>
        <p class="small">Signed in as {user.email}.</p>
        <Field label="Name" name="name" required defaultValue={user.name} error={errors.name} />
        <Select
          label="Time zone (of mails, statistics and the nightly cleanup)"
          name="timezone"
          value={user.timezone}
          options={zones.map((zone) => [zone, zone.replaceAll('_', ' ')])}
        />
        <p class="error" role="alert">
          {error}
        </p>
        <footer>
          <button type="button" onClick={leave}>
            Sign out
          </button>
          <button type="submit" class="main" disabled={busy}>
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
