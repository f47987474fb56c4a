// Translates Flower's filters to the query language of the history. Pure.
import { Problem } from '../../../http/problem.ts';

/**
 * Translates Flower's search. In Flower, `name:` and `worker:` match a part of the text, and `kwargs:key=value` matches a pair.
 * All other terms mean the same in both languages. Ours has more: `NOT`, times, numbers.
 */
export function searchQuery(search: string): string {
  const terms = /"(?:[^"\\]|\\.)*"|(?<=^|[\s(])(name|worker|kwargs):("(?:[^"\\]|\\.)*"|[^\s()"]+)/gi;
  return search.replaceAll(terms, (all: string, field?: string, value = '') => {
    const text = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
    if (field === undefined) return all;
    if (field.toLowerCase() !== 'kwargs') return /[\s()"*]/.test(text) ? all : `${field}:*${text}*`;
    const [, key, wanted = ''] = /^(\w+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined) return all;
    const pairs = [`'${key}': ${wanted}`, `'${key}': '${wanted}'`].map((pair) => `kwargs:${quoted(pair)}`);
    const member = /^[^\s()":*<>]+$/.test(wanted) ? [`kwargs.${key}:${wanted}`] : [];
    return `(${[...member, ...pairs].join(' OR ')})`;
  });
}

export function fieldQuery(field: string, value: string): string {
  return `${field}:${quoted(value)}`;
}

/** A `received:` term from a local time like `2026-11-22 03:12`. @throws Problem 400 */
export function receivedQuery(name: string, op: '>=' | '<=', text: string): string {
  const form = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d)$/.exec(text);
  const at = new Date(form === null ? Number.NaN : `${form[1]}T${form[2]}`); // without a zone: local time
  if (Number.isNaN(at.getTime()))
    throw new Problem(400, `'${name}' must be a time like 2026-11-22 03:12, not '${text.slice(0, 100)}'`);
  return `received:${op}${at.toISOString()}`;
}

/** Translates Flower's `sort_by`. @throws Problem 400 */
export function sortOf(text: string | null): string {
  if (text === null) return '-updated';
  if (/^-?(?:name|state|received|started)$/.test(text)) return text;
  throw new Problem(
    400,
    "'sort_by' must be name, state, received or started, with an optional '-' before it",
  );
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
