/** A condition of the language of the history: the field has exactly this value. Names of tasks, queues and workers may hold anything. */
export function term(field: string, value: string): string {
  return `${field}:${/^[\w.@-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`;
}
