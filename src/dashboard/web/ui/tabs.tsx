import type { ComponentChildren, JSX } from 'preact';
import { useSideScroll } from './side-scroll.ts';

export interface Tab<Name extends string> {
  readonly name: Name;
  readonly label: ComponentChildren;
}

/** Tabs with the keyboard control of the ARIA pattern. */
export function Tabs<Name extends string>(props: {
  tabs: readonly Tab<Name>[];
  current: Name;
  label: string;
  onSelect: (name: Name) => void;
  children: ComponentChildren;
}): JSX.Element {
  const { tabs, current, label, onSelect, children } = props;
  const row = useSideScroll(current);
  const move = (event: KeyboardEvent): void => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const at = tabs.findIndex(({ name }) => name === current);
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (next === undefined) return;
    onSelect(next.name);
    document.getElementById(`tab-${next.name}`)?.focus();
  };
  return (
    <>
      <div ref={row} class="tabs" role="tablist" aria-label={label}>
        {tabs.map((tab) => (
          <button
            key={tab.name}
            id={`tab-${tab.name}`}
            type="button"
            role="tab"
            aria-selected={tab.name === current}
            aria-controls="tab-panel"
            tabIndex={tab.name === current ? 0 : -1}
            onClick={() => onSelect(tab.name)}
            onKeyDown={move}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div class="tab-panel" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${current}`}>
        {children}
      </div>
    </>
  );
}
