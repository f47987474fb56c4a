// Signing in, or making an account.
import { useState } from 'preact/hooks';
import type { User } from '../shared/shapes.ts';
import { ask } from './api.ts';
import { Field, Form } from './parts.tsx';

export function Login({ entered }: { readonly entered: (user: User) => void }) {
  const [isNew, setNew] = useState(false);
  const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
  const other = (
    <button type="button" class="link" onClick={() => setNew(!isNew)}>
      {isNew ? 'I have an account' : 'I am new here'}
    </button>
  );
  return (
    <main class="login">
      <div class="panel stack">
        <img src="/icon.svg" alt="" width="44" height="44" />
        <h1>Task tracker</h1>
        <p>{isNew ? 'Make an account; it takes a moment.' : 'Sign in to see your tasks.'}</p>
        <Form
          key={isNew}
          act={isNew ? 'Make the account' : 'Sign in'}
          beside={other}
          send={async (fields) => {
            const path = isNew ? '/auth/register' : '/auth/login';
            entered(await ask<User>('POST', path, { ...fields, ...(isNew && { timezone }) }));
          }}
        >
          {(errors) => (
            <>
              {isNew && <Field label="Name" name="name" autocomplete="name" required error={errors.name} />}
              <Field
                label="E-mail"
                name="email"
                type="email"
                autocomplete="username"
                required
                error={errors.email}
              />
              <Field
                label="Password"
                name="password"
                type="password"
                autocomplete={isNew ? 'new-password' : 'current-password'}
                minLength={isNew ? 8 : 1}
                required
                error={errors.password}
              />
            </>
          )}
        </Form>
      </div>
    </main>
  );
}
