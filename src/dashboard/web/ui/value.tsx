// Shows a value as a tree. Everything is rendered as text, also markup in arguments.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { plural } from '../format.ts';
import { CopyButton } from './copy.tsx';
import { readPython } from './python-literal.ts';

const shownMembers = 100;
const openDepth = 2;

/** `value` undefined: only its text is known, a Python repr or JSON. */
export function Value({
  value,
  text,
  what,
}: {
  value?: unknown;
  text?: string | null;
  what: string;
}): JSX.Element {
  const [raw, setRaw] = useState(false);
  const known = value !== undefined ? { value } : readText(text ?? '');
  const shown = value !== undefined ? JSON.stringify(value, null, 2) : (text ?? '');
  if (known === null && shown === '') return <span class="dim">not known</span>;
  return (
    <div class="value">
      <div class="value-bar">
        {known !== null && isTree(known.value) && (
          <button type="button" class="link-button" onClick={() => setRaw(!raw)}>
            {raw ? 'as a tree' : 'as text'}
          </button>
        )}
        <CopyButton text={shown} what={what} />
      </div>
      {known === null || raw ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be reachable by keyboard
        <pre class="code" tabIndex={0}>
          {shown}
        </pre>
      ) : (
        <div class="tree">
          <Node value={known.value} depth={0} />
        </div>
      )}
    </div>
  );
}

function isTree(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** Null: the text is neither JSON nor a plain Python value, or was cut. */
function readText(text: string): { readonly value: unknown } | null {
  if (text === '' || text.length > 200_000) return null;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return readPython(text);
  }
}

function Node({ value, depth, name }: { value: unknown; depth: number; name?: string }): JSX.Element {
  const label = name === undefined ? null : <span class="tree-key">{name}: </span>;
  if (typeof value !== 'object' || value === null)
    return (
      <div class="tree-leaf">
        {label}
        <Leaf value={value} />
      </div>
    );
  const members: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? value.map((each, index) => [String(index), each])
    : Object.entries(value);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (members.length === 0)
    return (
      <div class="tree-leaf">
        {label}
        <span class="dim">
          {open}
          {close}
        </span>
      </div>
    );
  return (
    <details class="tree-node" open={depth < openDepth}>
      <summary>
        {label}
        <span class="dim">
          {open}
          {plural(members.length, Array.isArray(value) ? 'item' : 'key')}
          {close}
        </span>
      </summary>
      {members.slice(0, shownMembers).map(([key, each]) => (
        <Node key={key} name={key} value={each} depth={depth + 1} />
      ))}
      {members.length > shownMembers && (
        <div class="dim">and {plural(members.length - shownMembers, 'more')}: see it as text</div>
      )}
    </details>
  );
}

function Leaf({ value }: { value: unknown }): JSX.Element {
  if (typeof value === 'string') return <span class="tree-text">“{value}”</span>;
  if (typeof value === 'number') return <span class="tree-number">{String(value)}</span>;
  return <span class="tree-word">{String(value)}</span>;
}
