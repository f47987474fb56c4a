// Small parts that several pages have.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Priority } from '../shared/kinds.ts';
import type { Task } from '../shared/shapes.ts';
import { Refused } from './api.ts';
import { exactly, priorityNames, when } from './words.ts';

const drawings = {
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
  board: 'M4 4h4v16H4zM10 4h4v10h-4zM16 4h4v13h-4z',
  statistics: 'M4 20V10M10 20V4M16 20v-7M21 20H3',
  exports: 'M12 4v11m0 0-4-4m4 4 4-4M4 20h16',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  left: 'm14 6-6 6 6 6',
  right: 'm10 6 6 6-6 6',
  clock: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  light:
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  dark: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5',
  help: 'M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .9-1 1.7M12 17h.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 21c0-4 3.6-6 8-6s8 2 8 6',
} as const;

export function Icon({ name }: { readonly name: keyof typeof drawings }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={drawings[name]} />
    </svg>
  );
}

interface Action {
  readonly name: string;
  readonly icon: keyof typeof drawings;
  act(): void;
}

export function IconButton({ name, icon, act }: Action) {
  return (
    <button type="button" class={`bare ${icon}`} onClick={act} aria-label={name} title={name}>
      <Icon name={icon} />
    </button>
  );
}

/** Read aloud when it comes; nothing is to be seen of it while there is none. */
export function Problem({ text }: { readonly text: string | undefined }) {
  return (
    <p class="error" role="alert">
      {text}
    </p>
  );
}

export interface Choice {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, name: string])[];
  readonly hideLabel?: boolean;
  readonly name?: string;
  /** Without it, it keeps itself what is chosen, for the form that it is in. */
  choose?(value: string): void;
}

export function Select({ label, value, options, hideLabel, name, choose }: Choice) {
  return (
    <label class="field">
      <span class={hideLabel ? 'unseen' : ''}>{label}</span>
      <select
        name={name}
        {...(choose && { value })}
        onChange={(event) => choose?.(event.currentTarget.value)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

type Input = JSX.IntrinsicElements['input'] & { label: string; error?: string | undefined };

export function Field({ label, error, ...input }: Input) {
  const id = `error-of-${input.name}`;
  return (
    <label class="field">
      <span>{label}</span>
      <input {...input} aria-invalid={error !== undefined} {...(error && { 'aria-describedby': id })} />
      {error && (
        <span class="error" id={id}>
          {error}
        </span>
      )}
    </label>
  );
}

interface FormParts {
  /** What its button says. */
  readonly act: string;
  /** Other buttons. */
  readonly beside: ComponentChildren;
  /** The fields, given what was refused about each. */
  children(errors: Readonly<Record<string, string>>): ComponentChildren;
  send(fields: Record<string, string>): Promise<void>;
}

/** Sends its fields, and shows there what was refused. */
export function Form({ act, beside, children, send }: FormParts) {
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
    setBusy(true);
    try {
      await send(Object.fromEntries(fields));
    } catch (error) {
      setRefused(error instanceof Refused ? error : new Refused(0, String(error)));
    }
    setBusy(false);
  };
  const errors = refused?.fields ?? {};
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(event.currentTarget);
      }}
    >
      {children(errors)}
      <Problem text={Object.keys(errors).length === 0 ? refused?.message : undefined} />
      <footer class="row">
        {beside}
        <button type="submit" class="main push" disabled={busy}>
          {act}
        </button>
      </footer>
    </form>
  );
}

interface DialogParts {
  readonly title: string;
  readonly children: ComponentChildren;
  close(): void;
}

/** The browser keeps the focus inside, gives it back, and closes it by Escape. */
export function Dialog({ title, children, close }: DialogParts) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="panel" onClose={close} aria-labelledby="dialog-title">
      <header class="row between">
        <h2 id="dialog-title">{title}</h2>
        <IconButton name="Close" icon="close" act={() => dialog.current?.close()} />
      </header>
      {children}
    </dialog>
  );
}

export function PriorityChip({ priority }: { readonly priority: Priority }) {
  return priority === 'normal' ? null : <span class={`chip ${priority}`}>{priorityNames[priority]}</span>;
}

export function Deadline({ task: { deadline, overdue } }: { readonly task: Task }) {
  if (deadline === null) return null;
  return (
    <time class={`row small ${overdue ? 'overdue' : ''}`} dateTime={deadline} title={exactly(deadline)}>
      <Icon name="clock" />
      {overdue && <span class="unseen">overdue: </span>}
      {when(deadline)}
    </time>
  );
}

export function Nothing({ children }: { readonly children: ComponentChildren }) {
  return <p class="muted nothing">{children}</p>;
}
