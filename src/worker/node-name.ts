import { hostname } from 'node:os';

/**
 * The name of a worker among all workers: `celery@host`. Celery's rules: a pattern without `@` is the part after it. `%h` is the host with its
 * domain, `%n` the host, `%d` the domain, and `%%` a percent sign.
 * @example nodeName('images@%h') // 'images@eu1.example.com'
 */
export function nodeName(pattern = 'celery@%h', host: string = hostname()): string {
  const dot = host.indexOf('.');
  const parts: Readonly<Record<string, string>> = {
    h: host,
    n: dot < 0 ? host : host.slice(0, dot),
    d: dot < 0 ? '' : host.slice(dot + 1),
    '%': '%',
  };
  const expanded = pattern.replace(/%([hnd%])/g, (_, letter: string) => parts[letter] ?? '');
  const at = expanded.indexOf('@');
  if (at < 0) return `celery@${expanded}`;
  return `${expanded.slice(0, at) || 'celery'}@${expanded.slice(at + 1) || host}`;
}
