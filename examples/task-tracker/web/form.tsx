// The form of a task, and that of the account.
import { useState } from 'preact/hooks';
import type { Task, User } from '../shared/shapes.ts';
import { ask } from './api.ts';
import { useShared } from './context.ts';
import { Dialog, Field, Form, Select } from './parts.tsx';
import { exactly, fromField, priorityOptions, statusOptions, toField } from './words.ts';

export function TaskForm({ task, close }: { readonly task: Task | undefined; readonly close: () => void }) {
  const { say, attempt } = useShared();
  const [sure, setSure] = useState(false);
  const remove = (id: number) =>
    attempt(async () => {
      await ask('DELETE', `/tasks/${id}`);
      say('The task is deleted');
      close();
    });
  return (
    <Dialog title={task ? 'Task' : 'New task'} close={close}>
      <Form
        act={task ? 'Save' : 'Add'}
        beside={
          task && (
            <button
              type="button"
              class="danger"
              onClick={() => (sure ? void remove(task.id) : setSure(true))}
              onBlur={() => setSure(false)}
            >
              {sure ? 'Really delete it' : 'Delete'}
            </button>
          )
        }
        send={async ({ deadline = '', ...fields }) => {
          const body = { ...fields, deadline: fromField(deadline) };
          await (task ? ask('PATCH', `/tasks/${task.id}`, body) : ask('POST', '/tasks', body));
          say(task ? 'The task is changed' : 'The task is added');
          close();
        }}
      >
        {(errors) => (
          <>
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
              <textarea
                name="description"
                rows={4}
                maxLength={10_000}
                defaultValue={task?.description ?? ''}
              />
            </label>
            <div class="stack pair">
              <Select label="Status" name="status" value={task?.status ?? 'todo'} options={statusOptions} />
              <Select
                label="Priority"
                name="priority"
                value={task?.priority ?? 'normal'}
                options={priorityOptions}
              />
            </div>
            <Field
              label="Deadline (a reminder comes by mail a day before)"
              name="deadline"
              type="datetime-local"
              defaultValue={toField(task?.deadline ?? null)}
              error={errors.deadline}
            />
            {task && (
              <p class="small">
                Made on {exactly(task.created_at)}
                {task.completed_at && `, done on ${exactly(task.completed_at)}`}.
              </p>
            )}
          </>
        )}
      </Form>
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
  const zones = [...new Set([user.timezone, 'UTC', ...Intl.supportedValuesOf('timeZone')])].sort();
  const signOut = (
    <button type="button" onClick={leave}>
      Sign out
    </button>
  );
  return (
    <Dialog title="Account" close={close}>
      <Form
        act="Save"
        beside={signOut}
        send={async (fields) => {
          changed(await ask<User>('PATCH', '/auth/me', fields));
          say('Your account is changed');
          close();
        }}
      >
        {(errors) => (
          <>
            <p class="small">Signed in as {user.email}.</p>
            <Field label="Name" name="name" required defaultValue={user.name} error={errors.name} />
            <Select
              label="Time zone (of mails, statistics and the nightly cleanup)"
              name="timezone"
              value={user.timezone}
              options={zones.map((zone) => [zone, zone.replaceAll('_', ' ')])}
            />
          </>
        )}
      </Form>
    </Dialog>
  );
}
