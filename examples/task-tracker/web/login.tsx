// Signing in, or making an account.
import { useState } from 'preact/hooks';
import type { User } from '../server/shapes.ts';
import { ask, Refused } from './api.ts';
import { Field } from './parts.tsx';

export function Login({ entered }: { readonly entered: (user: User) => void }) {
  const [isNew, setNew] = useState(false);
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = Object.fromEntries(new FormData(event.currentTarget));
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    setBusy(true);
    try {
      entered(
        isNew
          ? await ask<User>('POST', '/auth/register', { ...fields, timezone })
          : await ask<User>('POST', '/auth/login', fields),
      );
    } catch (error) {
      setBusy(false);
      setRefused(error instanceof Refused ? error : new Refused(0, String(error)));
    }
  }

  const fields = refused?.fields ?? {};
  const general = refused && Object.keys(fields).length === 0 ? refused.message : undefined;
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <img src="/icon.svg" alt="" width="44" height="44" />
        <h1>Task tracker</h1>
        <p>{isNew ? 'Make an account; it takes a moment.' : 'Sign in to see your tasks.'}</p>
        {isNew && <Field label="Name" name="name" autocomplete="name" required error={fields.name} />}
        <Field
          label="E-mail"
          name="email"
          type="email"
          autocomplete="username"
          required
          error={fields.email}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete={isNew ? 'new-password' : 'current-password'}
          minLength={isNew ? 8 : 1}
          required
          error={fields.password}
        />
        <p class="error" role="alert">
          {general}
        </p>
        <button type="submit" class="main" disabled={busy}>
          {isNew ? 'Make the account' : 'Sign in'}
        </button>
        <button
          type="button"
          class="link"
          onClick={() => {
            setNew(!isNew);
            setRefused(undefined);
          }}
        >
          {isNew ? 'I have an account' : 'I am new here'}
        </button>
      </form>
    </main>
  );
}
