import { type ComponentChildren, Fragment, type JSX } from 'preact';
import { may } from '../api.ts';

/** Shows its children only to users with the role. */
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
