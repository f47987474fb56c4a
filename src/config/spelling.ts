// Names in snake_case (Python) and camelCase (ours).

/** `task_default_queue` -> `taskDefaultQueue`; a name without `_` stays as it is. */
export function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `taskDefaultQueue` -> `task_default_queue`. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
