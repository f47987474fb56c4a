// Moves messages that wait to another queue.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { answer, api, Fault, useLoaded } from '../api.ts';
import { plural } from '../format.ts';
import { FormDialog } from '../ui/form-dialog.tsx';
import { TextInput } from '../ui/text-input.tsx';

export function MoveMessagesDialog({
  from,
  onClose,
  onDone,
}: {
  from: string;
  onClose: () => void;
  onDone: () => Promise<void>;
}): JSX.Element {
  const [to, setTo] = useState('');
  const [query, setQuery] = useState('');
  const { value } = useLoaded('queues', () => answer(api.queues.$get()));
  const target = to.trim();
  const order = { from, to: target, ...(query.trim() !== '' && { query: query.trim() }) };
  const preview = usePreview(order);
  return (
    <FormDialog
      title={`Move messages of ${from}`}
      verb="Move"
      ready={target !== ''}
      act={async (why) => {
        const { moved } = await answer(
          api.waiting.move.$post({ query: why, json: { ...order, dryRun: false } }),
        );
        await onDone();
        return `${plural(moved, 'message')} moved to ${target}.`;
      }}
      onClose={onClose}
    >
      <TextInput label="To the queue" value={to} list="other-queues" onInput={setTo} />
      <datalist id="other-queues">
        {value?.queues.map(({ name }) => name !== from && <option key={name} value={name} />)}
      </datalist>
      <TextInput
        label="Only these (a query)"
        value={query}
        hint="As on the page of tasks: name:mail.* args.user.id:5. Empty: all that wait, scheduled ones too."
        isMono
        onInput={setQuery}
      />
      <p role="status" class={preview.isFault ? 'field-fault' : ''}>
        {preview.text}
      </p>
      <p class="dim">
        Messages that workers hold stay. Each message is in one of the two queues at any time.
      </p>
    </FormDialog>
  );
}

interface MoveOrder {
  readonly from: string;
  readonly to: string;
  readonly query?: string;
}

/** What the move would do, asked of the server while the user types. */
function usePreview(order: MoveOrder): { readonly text: string; readonly isFault: boolean } {
  const [preview, setPreview] = useState({ text: '', isFault: false });
  const key = JSON.stringify(order);
  useEffect(() => {
    let isOutdated = false;
    const show = (text: string, isFault: boolean): void => {
      if (!isOutdated) setPreview({ text, isFault });
    };
    const { from, to }: MoveOrder = order;
    const timer = setTimeout(() => {
      if (to === '') return show('', false);
      void answer(api.waiting.move.$post({ query: {}, json: { ...order, dryRun: true } })).then(
        ({ moved }) => show(`Moves ${plural(moved, 'message')} from ${from} to ${to}.`, false),
        (error: unknown) => show(error instanceof Fault ? error.message : String(error), true),
      );
    }, 200);
    return () => {
      isOutdated = true;
      clearTimeout(timer);
    };
  }, [key]);
  return preview;
}
