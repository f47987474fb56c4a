// The question that is asked before an action.
import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Why } from './dialog.tsx';
import { FormDialog, type FormOutcome } from './form-dialog.tsx';
import { TextInput } from './text-input.tsx';

export interface Question {
  readonly title: string;
  /** Describes what the action will do. */
  readonly effect: ComponentChildren;
  readonly verb: string;
  readonly danger?: boolean;
  /** Text that the user must type to confirm. */
  readonly type?: string;
  readonly act: (why: Why) => Promise<FormOutcome>;
}

/** Each question has a number, since the fields of one must not show up in the next. */
const asked = signal<{ readonly number: number; readonly question: Question } | null>(null);
let last = 0;

/** Asks for confirmation, runs the action and shows its outcome. */
export function confirm(question: Question): void {
  asked.value = { number: ++last, question };
}

export function ConfirmDialog(): JSX.Element | null {
  if (asked.value === null) return null;
  const { number, question } = asked.value;
  const close = (): void => {
    if (asked.value?.number === number) asked.value = null;
  };
  return <Asked key={number} question={question} onClose={close} />;
}

function Asked({ question, onClose }: { question: Question; onClose: () => void }): JSX.Element {
  const { title, verb, danger = false, effect, type, act } = question;
  const [typed, setTyped] = useState('');
  return (
    <FormDialog
      title={title}
      verb={verb}
      danger={danger}
      ready={type === undefined || typed === type}
      act={act}
      onClose={onClose}
    >
      <div>{effect}</div>
      {type !== undefined && <TextInput label={`Type ${type} to confirm`} value={typed} onInput={setTyped} />}
    </FormDialog>
  );
}
