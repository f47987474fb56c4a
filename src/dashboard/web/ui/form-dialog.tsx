// A dialog with fields, which stays open when the server refuses.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ControlOutcome } from '../../server/pages/workers.ts';
import { Fault } from '../api.ts';
import { Dialog, run, type Why } from './dialog.tsx';
import { TextInput } from './text-input.tsx';

/** What was done: a text, or the replies of workers. */
export type FormOutcome = string | ControlOutcome;

export function FormDialog({
  title,
  verb,
  ready,
  act,
  onClose,
  danger = false,
  children,
}: {
  title: string;
  verb: string;
  /** The fields are filled in. */
  ready: boolean;
  /** Resolves with what was done. */
  act: (why: Why) => Promise<FormOutcome>;
  onClose: () => void;
  /** It cannot be undone. */
  danger?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const isClosed = useRef(false);
  useEffect(
    () => () => {
      isClosed.current = true;
    },
    [],
  );
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      const given = reason.trim();
      const done = await act(given === '' ? {} : { reason: given });
      onClose();
      await run(title, async () => done);
    } catch (error) {
      // The user did not wait for the answer.
      if (isClosed.current) return run(title, () => Promise.reject(error));
      setRefusal(error instanceof Fault ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="dialog-body">
          {children}
          <TextInput
            label="Reason, for the audit log (may be left out)"
            value={reason}
            onInput={(value) => setReason(value.slice(0, 500))}
          />
          {refusal !== null && (
            <p class="field-fault" role="alert">
              {refusal}
            </p>
          )}
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${danger ? 'button-danger' : 'button-primary'}`}
            disabled={busy || !ready}
          >
            {busy ? 'Working…' : verb}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
