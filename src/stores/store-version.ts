/**
 * The version of the names and tables that we keep in a store beside Celery's (docs/internals/names-in-stores.md). A store of another version
 * is refused with a StoreVersionError. Count it up when a name or the meaning of a value changes.
 */
export const storeVersion = 2;
