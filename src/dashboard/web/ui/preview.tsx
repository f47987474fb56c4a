// What an action would do, asked of the server while the user types.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Fault } from '../api.ts';

/** `order`: what would be done, as text; another one is asked for anew. `ask`: null: it cannot be done yet. */
export function Preview({ order, ask }: { order: string; ask: (() => Promise<string>) | null }): JSX.Element {
  const [preview, setPreview] = useState({ text: '', isFault: false });
  const isReady = ask !== null;
  useEffect(() => {
    void order; // another order is asked for anew
    let isOutdated = false;
    const show = (text: string, isFault: boolean): void => {
      if (!isOutdated) setPreview({ text, isFault });
    };
    const timer = setTimeout(() => {
      if (!isReady || ask === null) return show('', false);
      void ask().then(
        (text) => show(text, false),
        (error: unknown) => show(error instanceof Fault ? error.message : String(error), true),
      );
    }, 200);
    return () => {
      isOutdated = true;
      clearTimeout(timer);
    };
  }, [order, isReady]);
  return (
    <p role="status" class={preview.isFault ? 'field-fault' : ''}>
      {preview.text}
    </p>
  );
}
