// A field for JSON.
import type { JSX } from 'preact';
import { Fault } from '../api.ts';

/** The state of an editor of JSON. */
interface JsonBoxState {
  readonly before: string;
  text: string;
}

/** Null: it begins empty. `isGuess`: the value counts also if the user leaves it as it is. */
export function boxOf(value: unknown, { isGuess = false } = {}): JsonBoxState {
  const text = value === null ? '' : JSON.stringify(value);
  return { before: isGuess ? '' : text, text };
}

/** Undefined: the text is unchanged. @throws Fault when the text is not JSON */
export function readBox({ before, text }: JsonBoxState): unknown {
  if (text.trim() === before) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault(0, `This is no JSON: ${text.slice(0, 80)} (${String(error)})`);
  }
}

export function JsonBox({ label, box }: { label: string; box: JsonBoxState }): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <textarea
        class="mono"
        rows={2}
        spellcheck={false}
        defaultValue={box.text}
        onInput={(event) => {
          box.text = event.currentTarget.value;
        }}
      />
    </label>
  );
}
