// Notices in place of missing data, and warnings.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Fault } from '../api.ts';
import { Icon, type IconName } from './icon.tsx';

/** `kind`: no data, no match, good news, or an error. */
export function Empty({
  kind,
  title,
  isPage = false,
  children,
}: {
  kind: 'nothing' | 'no-match' | 'good' | 'broken';
  title: string;
  /** The notice fills the page. */
  isPage?: boolean;
  children?: ComponentChildren;
}): JSX.Element {
  const icon: IconName =
    kind === 'good' ? 'check' : kind === 'broken' ? 'warning' : kind === 'no-match' ? 'search' : 'tray';
  return (
    <div class={`empty empty-${kind}`}>
      <span class="empty-icon">
        <Icon name={icon} size={22} />
      </span>
      {isPage ? <h1 class="empty-title">{title}</h1> : <p class="empty-title">{title}</p>}
      {children !== undefined && <div class="empty-text">{children}</div>}
    </div>
  );
}

export function Warning({
  tone = 'amber',
  children,
  action,
}: {
  tone?: 'amber' | 'red' | 'blue';
  children: ComponentChildren;
  action?: ComponentChildren;
}): JSX.Element {
  return (
    <div class={`warning tone-${tone}`}>
      <Icon name="warning" />
      <div class="warning-text">{children}</div>
      {action}
    </div>
  );
}

export function FaultNote({
  fault,
  retry,
  isPage = false,
}: {
  fault: Fault;
  retry: () => Promise<void>;
  isPage?: boolean;
}): JSX.Element {
  return (
    <Empty
      kind="broken"
      isPage={isPage}
      title={fault.status === 404 ? 'Not found' : 'This could not be loaded'}
    >
      <p>{fault.message}</p>
      {fault.status !== 404 && (
        <button type="button" class="button" onClick={() => void retry()}>
          Try again
        </button>
      )}
    </Empty>
  );
}

/** Grey placeholder rows; they appear after a delay. */
export function Loading({ rows = 6 }: { rows?: number }): JSX.Element {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="loading" role="status" aria-label="Loading">
      {late && Array.from({ length: rows }, (_, index) => <div key={index} class="skeleton" />)}
    </div>
  );
}
