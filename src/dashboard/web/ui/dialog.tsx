// Dialogs, and the outcomes of actions.
import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ControlOutcome } from '../../server/pages/workers.ts';
import { Fault } from '../api.ts';
import { plural } from '../format.ts';
import { Icon } from './icon.tsx';

export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const isGone = useRef(false);
  useEffect(() => {
    const dialog = element.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => {
      isGone.current = true;
      dialog?.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class="dialog"
      aria-labelledby="dialog-title"
      // The event comes later: then the next dialog may be open already, which `onClose` would close.
      onClose={() => !isGone.current && onClose()}
    >
      <header class="dialog-head">
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** The user's reason, for the audit log. */
export interface Why {
  readonly reason?: string;
}

interface Toast {
  readonly id: number;
  readonly title: string;
  readonly text: ComponentChildren;
  readonly failed: boolean;
}

const toasts = signal<readonly Toast[]>([]);
let lastToast = 0;

function toast(title: string, text: ComponentChildren, failed: boolean): void {
  const id = ++lastToast;
  toasts.value = [...toasts.value.slice(-3), { id, title, text, failed }];
  setTimeout(() => dismiss(id), failed ? 10_000 : 5_000);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

/** Runs an action without confirmation, and shows its outcome. */
export async function run(title: string, act: () => Promise<string | ControlOutcome>): Promise<void> {
  try {
    const outcome = await act();
    if (typeof outcome === 'string') toast(title, outcome, false);
    else
      toast(title, <Outcome outcome={outcome} />, outcome.replies.some(({ ok }) => !ok) || isSilent(outcome));
  } catch (error) {
    toast(title, error instanceof Fault ? error.message : String(error), true);
  }
}

function isSilent({ replies, silent }: ControlOutcome): boolean {
  return replies.length === 0 && silent.length > 0;
}

const shownReplies = 6;

/** The replies of workers. A missing reply is shown as a failure. */
function Outcome({ outcome: { replies, silent } }: { outcome: ControlOutcome }): JSX.Element {
  if (replies.length === 0 && silent.length === 0) return <>No worker replied within a second.</>;
  return (
    <ul class="replies">
      {replies.slice(0, shownReplies).map(({ worker, ok, text }) => (
        <li key={worker} class={ok ? '' : 'bad'}>
          <b>{worker}</b> {text}
        </li>
      ))}
      {replies.length > shownReplies && (
        <li>and {plural(replies.length - shownReplies, 'more reply', 'more replies')}</li>
      )}
      {silent.slice(0, shownReplies).map((worker) => (
        <li key={worker} class="bad">
          <b>{worker}</b> did not reply within a second
        </li>
      ))}
    </ul>
  );
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, title, text, failed }) => (
        <div key={id} class={`toast${failed ? ' toast-failed' : ''}`}>
          <Icon name={failed ? 'warning' : 'check'} />
          <div class="toast-text">
            <b>{title}</b>
            <div>{text}</div>
          </div>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
