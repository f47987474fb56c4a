// Revoking all tasks that a query finds in the history.
import type { App } from '../app/app.ts';
import { ConfigError } from '../errors.ts';
import { maxRevocations } from '../stores/fanout.ts';
import type { PlacedMessage } from '../stores/waiting.ts';

const pageSize = 1_000;

/** The ids of the tasks that a query finds and that have not ended. @throws QuerySyntaxError; ConfigError for an empty query, and for too many tasks */
export async function openTasks(app: App, query: string): Promise<readonly string[]> {
  if (query.trim() === '')
    throw new ConfigError("say which tasks: the query is empty; 'NOT ended:*' means all");
  await app.history.counts(query); // an error names its place in the user's own query
  const ids: string[] = [];
  for (let after: string | null = null; ; ) {
    const options = { sort: 'seen', limit: pageSize, ...(after !== null && { after }) };
    const page = await app.history.list(`(${query}) NOT ended:*`, options);
    ids.push(...page.tasks.map(({ id }) => id));
    if (ids.length > maxRevocations)
      throw new ConfigError(
        `more than ${maxRevocations} tasks: a store keeps no more revocations; narrow the query, or delete what waits: umbel purge --query`,
      );
    if (page.next === null) return ids;
    after = page.next;
  }
}

/**
 * Makes those of these tasks ready that wait for their time, so that workers end them now. They keep their eta: a worker that does not know the
 * revocation defers them again. Other messages end at their turn. Does nothing where the broker cannot choose messages.
 */
export async function bringForward(app: App, ids: ReadonlySet<string>): Promise<void> {
  const broker = await app.broker();
  if (broker.changeWaiting === undefined || !broker.features.choosesWaiting) return;
  // What was changed may be found again at its new place.
  const open = new Set(ids);
  for (const queue of await broker.queues()) {
    await broker.changeWaiting(queue, {
      places: ['scheduled', 'ready'],
      limit: Number.POSITIVE_INFINITY,
      decide: (found) =>
        isEarly(found) && open.delete(idOf(found))
          ? { queue, due: null, message: null, early: true }
          : 'keep',
    });
  }
}

/** On a store that is shared with Python, a message is ready until a worker has looked at its eta. */
function isEarly({ due, message }: PlacedMessage): boolean {
  if (due !== null) return true;
  const eta = message.ok ? message.value.headers.eta : null;
  return typeof eta === 'string' && Date.parse(eta) > Date.now();
}

function idOf({ message }: PlacedMessage): string {
  return message.ok ? String(message.value.headers.id ?? message.value.properties.correlationId) : '';
}
