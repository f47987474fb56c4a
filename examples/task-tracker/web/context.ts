// What all parts of the page share.
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Task, User } from '../shared/shapes.ts';

export interface Shared {
  readonly user: User;
  /** Another one after each change, whoever made it. */
  readonly revision: number;
  /** Tells people, also those who hear the page. */
  say(text: string, kind?: 'error'): void;
  /** What fails is said, after `about`, and makes it false. */
  attempt(act: () => Promise<unknown>, about?: string): Promise<boolean>;
  /** Opens the form; without a task for a new one. */
  edit(task?: Task): void;
}

export const SharedContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === null) throw new Error('not inside of SharedContext');
  return shared;
}

export const pages = ['list', 'board', 'statistics', 'exports'] as const;
export type PageName = (typeof pages)[number];

export interface Route {
  readonly page: PageName;
  readonly query: URLSearchParams;
}

/** `#/list?status=open`: the address of a page names its filters, too. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEvent('hashchange', () => setHash(location.hash));
  const [path = '', query = ''] = hash.replace(/^#\//, '').split('?');
  return { page: pages.find((page) => page === path) ?? 'list', query: new URLSearchParams(query) };
}

/** @param replace the way back leads to the page before this one */
export function go(page: PageName, query: Readonly<Record<string, string>> = {}, replace = false): void {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  const hash = `#/${page}${search && `?${search}`}`;
  if (!replace) location.hash = hash;
  else {
    history.replaceState(null, '', hash);
    dispatchEvent(new HashChangeEvent('hashchange'));
  }
}

/** Hears an event of the window as long as the part is shown. */
export function useEvent<Name extends keyof WindowEventMap>(
  name: Name,
  heard: (event: WindowEventMap[Name]) => void,
): void {
  useEffect(() => {
    addEventListener(name, heard);
    return () => removeEventListener(name, heard);
  });
}
