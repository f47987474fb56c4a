import type { JSX } from 'preact';

export interface TextOptions {
  readonly hint?: string | undefined;
  /** The id of a datalist. */
  readonly list?: string;
  readonly isMono?: boolean;
}

/** A line of text with its label, and what is wrong with it. */
export function TextInput({
  label,
  value,
  fault = null,
  onInput,
  hint,
  list,
  isMono = false,
}: TextOptions & {
  label: string;
  value: string;
  fault?: string | null;
  onInput: (value: string) => void;
}): JSX.Element {
  const note = `note-${label.replace(/\W+/g, '-')}`;
  const isNoted = fault !== null || hint !== undefined;
  return (
    <div class="field">
      <label>
        <span>{label}</span>
        <input
          class={isMono ? 'mono' : ''}
          value={value}
          list={list}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={fault !== null}
          aria-describedby={isNoted ? note : undefined}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </label>
      {isNoted && (
        <span id={note} class={fault === null ? 'dim' : 'field-fault'}>
          {fault ?? hint}
        </span>
      )}
    </div>
  );
}
