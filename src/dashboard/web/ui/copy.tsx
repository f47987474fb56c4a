import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

/** Copies text. Works also on plain HTTP, where browsers forbid the clipboard API. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'off-screen';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

export function CopyButton({ text, what }: { text: string; what: string }): JSX.Element {
  const [done, setDone] = useState(false);
  const act = async (): Promise<void> => {
    await copy(text);
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={done ? 'Copied' : `Copy ${what}`}
      title={done ? 'Copied' : `Copy ${what}`}
      onClick={() => void act()}
    >
      <Icon name={done ? 'check' : 'copy'} size={14} />
    </button>
  );
}
