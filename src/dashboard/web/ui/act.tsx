import { type ComponentChildren, Fragment, type JSX } from 'preact';
import { may } from '../api.ts';

/** What is only for those who may act. */
export function Act({
  needs = 'operator',
  children,
}: {
  needs?: 'operator' | 'admin';
  children: ComponentChildren;
}): JSX.Element | null {
  if (!may(needs)) return null;
  return <Fragment>{children}</Fragment>;
}
