// The form that adds or changes a schedule. The server checks it while the user types.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ScheduleForm } from '../../server/pages/schedule-form.ts';
import type { FormCheck } from '../../server/pages/schedules.ts';
import { answer, api, Fault, useLoaded } from '../api.ts';
import { Dialog, run, type Why } from '../ui/dialog.tsx';
import { TextInput, type TextOptions } from '../ui/text-input.tsx';
import { Time } from '../ui/time.tsx';

/** `before`: the schedule to change; null: the form adds one. */
export function ScheduleFormDialog({
  before,
  onClose,
  onDone,
}: {
  before: ScheduleForm | null;
  onClose: () => void;
  onDone: () => Promise<void>;
}): JSX.Element {
  const [form, setForm] = useState<ScheduleForm>(before ?? emptyForm);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const check = useCheck(form, before?.name ?? null);
  const set = (field: keyof ScheduleForm, value: string | boolean): void => {
    setTouched((fields) => new Set([...fields, field]));
    setForm((shown) => ({ ...shown, [field]: value }));
  };
  const faultOf = (field: keyof ScheduleForm): string | null =>
    touched.has(field) || before !== null
      ? (check?.faults.find((fault) => fault.field === field)?.message ?? null)
      : null;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setTouched(new Set(Object.keys(form)));
    if (check !== null && check.faults.length > 0) return;
    setBusy(true);
    setRefusal(null);
    const query: Why = reason.trim() === '' ? {} : { reason: reason.trim() };
    try {
      if (before === null) await answer(api.schedules.$post({ query, json: form }));
      else
        await answer(
          api.schedules[':name'].$put({ param: { name: before.name }, query, json: { form, before } }),
        );
    } catch (error) {
      setRefusal(error instanceof Fault ? error.message : String(error));
      setBusy(false);
      return;
    }
    onClose();
    await run(before === null ? `Add ${form.name}` : `Change ${form.name}`, async () => {
      await onDone();
      return 'It is in force within two seconds, wherever the beat runs.';
    });
  };
  const text = (field: TextField, label: string, more: TextOptions = {}): JSX.Element => (
    <TextInput
      label={label}
      value={form[field]}
      fault={faultOf(field)}
      onInput={(value) => set(field, value)}
      {...more}
    />
  );
  return (
    <Dialog title={before === null ? 'Add a schedule' : `Change ${before.name}`} onClose={onClose}>
      <form class="schedule-form" onSubmit={(event) => void submit(event)}>
        <div class="dialog-body">
          {before === null && text('name', 'Name')}
          <TaskInput text={text} />
          <fieldset class="segments" aria-label="When">
            {kinds.map(([kind, word]) => (
              <button
                key={kind}
                type="button"
                aria-pressed={form.kind === kind}
                onClick={() => set('kind', kind)}
              >
                {word}
              </button>
            ))}
          </fieldset>
          {form.kind === 'every' && (
            <>
              {text('interval', 'Interval', { hint: 'Seconds, or a duration: 90s, 10m, 1h, 1d' })}
              <label class="check">
                <input
                  type="checkbox"
                  checked={form.relative}
                  onChange={({ currentTarget }) => set('relative', currentTarget.checked)}
                />
                By the clock: 1h is due at each full hour
              </label>
            </>
          )}
          {form.kind === 'crontab' && (
            <div class="form-pair">
              {text('crontab', 'Crontab', { hint: 'Minute, hour, day of month, month, day of week' })}
              {text('timezone', 'Time zone', {
                hint: check === null ? undefined : `Empty: ${check.timezone}`,
                list: 'time-zones',
              })}
              <datalist id="time-zones">
                {Intl.supportedValuesOf('timeZone').map((zone) => (
                  <option key={zone} value={zone} />
                ))}
              </datalist>
            </div>
          )}
          {form.kind === 'solar' && (
            <>
              <Choice
                label="Event"
                value={form.event}
                choices={solarEvents.map((event) => [event, event.replace('_', ', ')])}
                onChange={(value) => set('event', value)}
              />
              <div class="form-pair">
                {text('latitude', 'Latitude', { hint: 'Degrees north: 52.52' })}
                {text('longitude', 'Longitude', { hint: 'Degrees east: 13.40' })}
              </div>
            </>
          )}
          <NextRuns check={check} />
          {text('args', 'Arguments (a JSON list)', { isMono: true })}
          {text('kwargs', 'Keyword arguments (a JSON object)', { isMono: true })}
          <div class="form-pair">
            {text('queue', 'Queue', { hint: 'Empty: that of the task' })}
            {text('expires', 'Expires', { hint: 'Do not run later than this after sending: 10m' })}
          </div>
          <div class="form-pair">
            <Choice
              label="Missed runs"
              value={form.missed}
              choices={[
                ['last', 'Send the last one'],
                ['all', 'Send all'],
                ['skip', 'Skip late ones'],
              ]}
              onChange={(value) => set('missed', value)}
            />
            <Choice
              label="If the previous run goes on"
              value={form.overlap}
              fault={faultOf('overlap')}
              choices={[
                ['allow', 'Send'],
                ['skip', 'Skip'],
                ['queue', 'Send one, after it'],
              ]}
              onChange={(value) => set('overlap', value)}
            />
          </div>
          <details>
            <summary>More rules</summary>
            <div class="form-pair">
              {text('startingDeadline', 'Not later than', { hint: 'After it was due: 30s. Empty: no limit' })}
              {text('jitter', 'Random delay', { hint: 'At most this: 5s' })}
              {text('missedLimit', 'Most missed runs', { hint: 'With “Send all”; empty: 100' })}
            </div>
          </details>
          <label class="field">
            <span class="dim">Reason, for the audit log (may be left out)</span>
            <input value={reason} maxLength={500} onInput={(event) => setReason(event.currentTarget.value)} />
          </label>
          <p class="dim">{effectOf(form, before)}</p>
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
          <button type="submit" class="button button-primary" disabled={busy}>
            {busy ? 'Working…' : before === null ? 'Add' : 'Change'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

const kinds = [
  ['every', 'Interval'],
  ['crontab', 'Crontab'],
  ['solar', 'By the sun'],
] as const;

const solarEvents = [
  'dawn_astronomical',
  'dawn_nautical',
  'dawn_civil',
  'sunrise',
  'solar_noon',
  'sunset',
  'dusk_civil',
  'dusk_nautical',
  'dusk_astronomical',
] as const;

const emptyForm: ScheduleForm = {
  name: '',
  kind: 'every',
  interval: '',
  relative: false,
  crontab: '',
  timezone: '',
  event: 'sunset',
  latitude: '',
  longitude: '',
  task: '',
  args: '[]',
  kwargs: '{}',
  queue: '',
  expires: '',
  missed: 'last',
  missedLimit: '',
  startingDeadline: '',
  overlap: 'allow',
  jitter: '',
};

function effectOf({ task }: ScheduleForm, before: ScheduleForm | null): string {
  const sent = `${task.trim() || 'The task'} is sent at these times, with no further question, until the schedule is paused or deleted.`;
  return before === null ? sent : `${sent} A pause and the history of runs stay.`;
}

/** What the server says of the form as it is; null: it has not answered yet. */
function useCheck(form: ScheduleForm, changes: string | null): FormCheck | null {
  const [check, setCheck] = useState<FormCheck | null>(null);
  useEffect(() => {
    let isOutdated = false;
    const timer = setTimeout(() => {
      void answer(api.schedules.check.$post({ json: { form, changes } })).then(
        (said) => {
          if (!isOutdated) setCheck(said);
        },
        () => undefined, // the form can be sent without it: the server checks again
      );
    }, 200);
    return () => {
      isOutdated = true;
      clearTimeout(timer);
    };
  }, [form, changes]);
  return check;
}

function NextRuns({ check }: { check: FormCheck | null }): JSX.Element {
  return (
    <section class="next-runs" aria-live="polite" aria-label="Next runs">
      <h3>Next runs</h3>
      {check === null || check.next.length === 0 ? (
        <p class="dim">{check === null ? 'Checking…' : 'None: say when, above.'}</p>
      ) : (
        <ol>
          {check.next.map((at) => (
            <li key={at}>
              <Time at={at} isFull />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

type TextField = {
  [Field in keyof ScheduleForm]: string extends ScheduleForm[Field] ? Field : never;
}[keyof ScheduleForm];

function Choice({
  label,
  value,
  choices,
  fault = null,
  onChange,
}: {
  label: string;
  value: string;
  choices: readonly (readonly [value: string, word: string])[];
  fault?: string | null;
  onChange: (value: string) => void;
}): JSX.Element {
  return (
    <div class="field">
      <label>
        <span>{label}</span>
        <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
          {choices.map(([choice, word]) => (
            <option key={choice} value={choice}>
              {word}
            </option>
          ))}
        </select>
      </label>
      {fault !== null && <span class="field-fault">{fault}</span>}
    </div>
  );
}

/** The task, with the names that the history knows. */
function TaskInput({
  text,
}: {
  text: (field: TextField, label: string, more?: TextOptions) => JSX.Element;
}): JSX.Element {
  const { value } = useLoaded('task names', () => answer(api.tasks.names.$get()));
  return (
    <>
      {text('task', 'Task', { list: 'task-names' })}
      <datalist id="task-names">
        {value?.names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
