import { type ComponentChildren, Fragment, type JSX } from 'preact';
import type { Right } from '../../server/users.ts';
import { may } from '../api.ts';

/** Shows its children only to users with the right. */
export function Act({ needs, children }: { needs: Right; children: ComponentChildren }): JSX.Element | null {
  if (!may(needs)) return null;
  return <Fragment>{children}</Fragment>;
}
