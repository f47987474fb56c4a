// Deletes messages that wait in a queue, and changes when, where and how urgently they run.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { QueueLine } from '../../server/pages/queues.ts';
import { answer, api } from '../api.ts';
import { plural } from '../format.ts';
import { term } from '../query.ts';
import { FormDialog } from '../ui/form-dialog.tsx';
import { Preview } from '../ui/preview.tsx';
import { TextInput } from '../ui/text-input.tsx';

interface Props {
  readonly queue: QueueLine;
  readonly onClose: () => void;
  readonly onDone: () => Promise<void>;
}

const queryLabel = 'Only these (a query)';

export function PurgeDialog({ queue: { name, scheduled, held }, onClose, onDone }: Props): JSX.Element {
  const [query, setQuery] = useState('');
  const [typed, setTyped] = useState('');
  const order = { from: name, ...(query.trim() !== '' && { query: query.trim() }) };
  const purge = (dryRun: boolean, why = {}) =>
    answer(api.waiting.purge.$post({ query: why, json: { ...order, dryRun } }));
  return (
    <FormDialog
      title={`Purge ${name}`}
      verb="Purge"
      danger
      ready={typed === name}
      act={async (why) => {
        const { purged } = await purge(false, why);
        await onDone();
        return `${plural(purged, 'message')} deleted.`;
      }}
      onClose={onClose}
    >
      <TextInput
        label={queryLabel}
        value={query}
        hint="As on the page of tasks: name:mail.* args.user.id:5. Empty: all that wait, scheduled ones too."
        isMono
        onInput={setQuery}
      />
      <Preview
        order={JSON.stringify(order)}
        ask={async () => {
          const { purged } = await purge(true);
          return `Deletes ${plural(purged, 'message')} for good. ${purged === 1 ? 'This task never runs.' : 'These tasks never run.'}`;
        }}
      />
      <p class="dim">
        Messages that workers hold stay{held === null || held === 0 ? '' : ` (${held} now)`}.
        {scheduled === null && ' So do scheduled ones: this broker cannot delete them.'}
      </p>
      <TextInput label={`Type ${name} to confirm`} value={typed} onInput={setTyped} />
    </FormDialog>
  );
}

export function RescheduleDialog({ queue: { name }, onClose, onDone }: Props): JSX.Element {
  const [query, setQuery] = useState('');
  const [wait, setWait] = useState('');
  const [to, setTo] = useState('');
  const [priority, setPriority] = useState('');
  const waitMs = wait.trim() === '' ? undefined : msOf(wait.trim());
  const target = to.trim();
  const level = priority.trim() === '' ? undefined : Number(priority);
  const only = query.trim();
  const here = term('queue', name);
  const which = { query: only === '' ? here : `${here} (${only})` };
  const change = (dryRun: boolean, why = {}) => {
    const changes = {
      ...(waitMs !== undefined && waitMs !== null && { eta: Date.now() + waitMs }),
      ...(target !== '' && { queue: target }),
      ...(level !== undefined && { priority: level }),
    };
    return answer(api.waiting.reschedule.$post({ query: why, json: { which, changes, dryRun } }));
  };
  const isSaid =
    (waitMs !== undefined || target !== '' || level !== undefined) &&
    waitMs !== null &&
    !Number.isNaN(level ?? 0);
  return (
    <FormDialog
      title={`Reschedule messages of ${name}`}
      verb="Reschedule"
      ready={isSaid}
      act={async (why) => {
        const { done } = await change(false, why);
        await onDone();
        return `${plural(done.length, 'task')} rescheduled.`;
      }}
      onClose={onClose}
    >
      <TextInput
        label={queryLabel}
        value={query}
        hint="As on the page of tasks: name:mail.* eta:<1d. Empty: all that wait here, ready ones too."
        isMono
        onInput={setQuery}
      />
      <TextInput
        label="Due in (90s, 10m, 2h, 1d; 0: now)"
        value={wait}
        fault={waitMs === null ? 'A number with s, m, h or d; or 0' : null}
        onInput={setWait}
      />
      <TextInput label="Another queue" value={to} onInput={setTo} />
      <TextInput label="Another priority (a number)" value={priority} onInput={setPriority} />
      <Preview
        order={JSON.stringify([which, waitMs, target, priority])}
        ask={
          isSaid
            ? async () => `Changes ${plural((await change(true)).done.length, 'waiting task')} of ${name}.`
            : null
        }
      />
      <p class="dim">What is left empty stays as it is. Messages that workers hold are not changed.</p>
    </FormDialog>
  );
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds; null: it is no time. */
function msOf(text: string): number | null {
  if (text === '0') return 0;
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(text) ?? [];
  const each = units[unit];
  return each === undefined ? null : Number(number) * each;
}
