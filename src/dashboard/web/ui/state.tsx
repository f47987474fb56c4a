// The state of a task: colour, icon and word.
import type { JSX } from 'preact';
import { Icon, type IconName } from './icon.tsx';

interface Look {
  readonly icon: IconName;
  readonly tone: string;
  readonly word: string;
}

const looks: Readonly<Record<string, Look>> = {
  PENDING: { icon: 'dots', tone: 'slate', word: 'Pending' },
  RECEIVED: { icon: 'tray', tone: 'blue', word: 'Received' },
  SCHEDULED: { icon: 'clock', tone: 'indigo', word: 'Scheduled' },
  STARTED: { icon: 'play', tone: 'teal', word: 'Started' },
  RETRY: { icon: 'retry', tone: 'amber', word: 'Retry' },
  SUCCESS: { icon: 'check', tone: 'green', word: 'Success' },
  FAILURE: { icon: 'cross', tone: 'red', word: 'Failure' },
  REVOKED: { icon: 'slash', tone: 'violet', word: 'Revoked' },
  REJECTED: { icon: 'minus', tone: 'stone', word: 'Rejected' },
};

export const stateOrder = [
  'PENDING',
  'RECEIVED',
  'STARTED',
  'RETRY',
  'SUCCESS',
  'FAILURE',
  'REVOKED',
  'REJECTED',
] as const;

/** Custom states look like STARTED. */
export function lookOf(state: string): Look {
  return looks[state] ?? { icon: 'play', tone: 'teal', word: state };
}

export function isFinal(state: string): boolean {
  return state === 'SUCCESS' || state === 'FAILURE' || state === 'REVOKED' || state === 'REJECTED';
}

export function State({ state }: { state: string }): JSX.Element {
  const { icon, tone, word } = lookOf(state);
  return (
    <span class={`badge tone-${tone}${state === 'STARTED' ? ' pulse' : ''}`}>
      <Icon name={icon} size={12} />
      {word}
    </span>
  );
}
