// The router: the path and the query of the address, without the dashboard's `urlPrefix`.
import { computed, signal } from '@preact/signals';

export const base = document.querySelector<HTMLMetaElement>('meta[name="umbel-base"]')?.content ?? '';

const address = signal(location.href);

/** The path without the prefix: `/tasks/5c0e…`. */
export const path = computed(() => {
  const { pathname } = new URL(address.value);
  const below = pathname.startsWith(base) ? pathname.slice(base.length) : pathname;
  return below.replace(/\/+$/, '') || '/';
});

export const search = computed(() => new URL(address.value).searchParams);

/** The address of a page. */
export function link(page: string, parameters: Readonly<Record<string, string | null>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const text = query.toString();
  return `${base}${page}${text === '' ? '' : `?${text}`}`;
}

export function taskLink(id: string): string {
  return link(`/tasks/${encodeURIComponent(id)}`);
}

export function workerLink(name: string, tab: string | null = null): string {
  return link(`/workers/${encodeURIComponent(name)}`, { tab });
}

export function queueLink(name: string): string {
  return link(`/queues/${encodeURIComponent(name)}`);
}

export function navigate(to: string, replace = false): void {
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  address.value = location.href;
  if (!replace) scrollTo(0, 0);
}

/** Changes parameters of this page's address; null removes one. */
export function setSearch(changes: Readonly<Record<string, string | null>>, replace = true): void {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes))
    if (value === null || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  navigate(url.href, replace);
}

/** The rest of the path after `prefix`, decoded; null: the path is of another page. */
export function under(prefix: string): string | null {
  if (!path.value.startsWith(`${prefix}/`)) return null;
  const rest = path.value.slice(prefix.length + 1);
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}

export function startRouter(): void {
  addEventListener('popstate', () => {
    address.value = location.href;
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target instanceof Element ? event.target.closest('a') : null;
    if (anchor === null || anchor.target !== '' || anchor.hasAttribute('download')) return;
    const url = new URL(anchor.href);
    if (url.origin !== location.origin || !`${url.pathname}/`.startsWith(`${base}/`)) return;
    if (anchor.getAttribute('href')?.startsWith('#')) return;
    event.preventDefault();
    navigate(url.href);
  });
}
