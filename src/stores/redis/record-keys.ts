// The keys of Celery's records in Redis.

/** Celery's key of a task's record, and the channel on which its changes are published. */
export function recordKey(keyPrefix: string, id: string): string {
  return `${recordPrefix(keyPrefix)}celery-task-meta-${id}`;
}

/** Celery's key of a group's record; the keys of a chord begin with it. */
export function groupKey(keyPrefix: string, id: string): string {
  return `${recordPrefix(keyPrefix)}celery-taskset-meta-${id}`;
}

/**
 * The prefix of all records' keys. Celery's rule for `global_keyprefix` of `result_backend_transport_options`: `_` is
 * added unless it ends in a separator.
 */
function recordPrefix(keyPrefix: string): string {
  return keyPrefix === '' || /[:_.-]$/.test(keyPrefix) ? keyPrefix : `${keyPrefix}_`;
}
