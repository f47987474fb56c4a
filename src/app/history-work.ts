// The parts that reading and writing the history needs, loaded at first use.
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { backendOptions } from '../config/driver-options.ts';
import { parseCursor, parseSort } from '../history/compile.ts';
import { parseQuery } from '../history/parse-query.ts';
import type { HistoryFilter, HistoryListing, HistoryStore } from '../stores/history-store.ts';
import { isMissing, openHistoryStore, storeNamed } from '../stores/registry.ts';
import { storeAt } from '../stores/store-url.ts';
import { checkLimit } from './list-limit.ts';

const longestPage = 1_000;

/** @throws QuerySyntaxError */
export function readFilter(query: string): HistoryFilter {
  return { condition: parseQuery(query), now: Date.now() };
}

/** @throws QuerySyntaxError, ConfigError */
export function readListing(
  query: string,
  sort: string,
  limit: number,
  after: string | null,
): HistoryListing {
  checkLimit(limit, 'a list of tasks', longestPage);
  const order = parseSort(sort);
  if (after !== null) parseCursor(order, after); // also where there is no history yet that would refuse it
  return { ...readFilter(query), sort: order, limit, after };
}

/**
 * Opens the store of the history: `historyStore`, else a file beside the embedded store, else a file in the current folder.
 * @throws ConfigError, StoreError, BrokerUnavailable
 */
export function openHistoryOf(config: Config): Promise<HistoryStore> {
  const url = historyUrl(config);
  return openHistoryStore(url, url === config.backend ? backendOptions(config) : {});
}

/** The file of a history of which nothing was written yet: opening it would make it. Null: there is a history to read. */
export function missingHistory(config: Config): string | null {
  const url = historyUrl(config);
  return isMissing(url, 'historyStore') ? resolve(storeAt(url, 'historyStore')) : null;
}

function historyUrl({ historyStore, broker }: Pick<Config, 'historyStore' | 'broker'>): string {
  if (historyStore !== null) return historyStore;
  // A file of its own, so that writing the history does not block senders.
  if (storeNamed(broker)?.name === 'sqlite') return broker.replace(/(?:\.db)?$/, '.history.db');
  return 'sqlite://.umbel/history.db';
}
