import type { ComponentChildren, JSX } from 'preact';
import { confirm, type Question } from './confirm.tsx';

interface AskButtonProps {
  /** What is asked before anything is done. */
  readonly ask: () => Question;
  readonly look?: 'primary' | 'danger';
  readonly small?: boolean;
  readonly disabled?: boolean;
  /** For screen readers, where buttons of several rows have the same text. */
  readonly label?: string;
  readonly children: ComponentChildren;
}

/** A button whose action is confirmed first. */
export function AskButton({ ask, look, small, disabled, label, children }: AskButtonProps): JSX.Element {
  const classes = ['button', look && `button-${look}`, small && 'button-small'].filter(Boolean);
  return (
    <button
      type="button"
      class={classes.join(' ')}
      disabled={disabled}
      aria-label={label}
      onClick={() => confirm(ask())}
    >
      {children}
    </button>
  );
}
