// Moves messages that wait to another queue.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { answer, api, useLoaded } from '../api.ts';
import { plural } from '../format.ts';
import { FormDialog } from '../ui/form-dialog.tsx';
import { Preview } from '../ui/preview.tsx';
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
      <Preview
        order={JSON.stringify(order)}
        ask={
          target === ''
            ? null
            : async () => {
                const { moved } = await answer(
                  api.waiting.move.$post({ query: {}, json: { ...order, dryRun: true } }),
                );
                return `Moves ${plural(moved, 'message')} from ${from} to ${target}.`;
              }
        }
      />
      <p class="dim">
        Messages that workers hold stay. Each message is in one of the two queues at any time.
      </p>
    </FormDialog>
  );
}
