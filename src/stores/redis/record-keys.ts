// Where Celery keeps records in Redis.

/** The key of a task's record, and the channel on which its changes are told. Celery's. */
export function recordKey(keyPrefix: string, id: string): string {
  return `${recordPrefix(keyPrefix)}celery-task-meta-${id}`;
}

/** The key of a group's record; a chord's keys begin with it. Celery's. */
export function groupKey(keyPrefix: string, id: string): string {
  return `${recordPrefix(keyPrefix)}celery-taskset-meta-${id}`;
}

/**
 * The beginning of all records' keys. Celery's rule for `global_keyprefix` of `result_backend_transport_options`: `_` is
 * added unless it ends in a separator.
 */
function recordPrefix(keyPrefix: string): string {
  return keyPrefix === '' || /[:_.-]$/.test(keyPrefix) ? keyPrefix : `${keyPrefix}_`;
}
