// The arguments of a settlement, as an operation of the batch script.
import type { StoreWrite } from '../store-write.ts';
import type { Publication, Settlement } from '../transport.ts';
import { historyOf, type RedisHistoryWrite } from './history-write.ts';
import type { AddressedMessage } from './queue-lists.ts';
import { recordArgs } from './record-args.ts';
import { RedisRecordWrite } from './record-write.ts';

export interface SettlementRules {
  /** `RedisSettings.store` */
  readonly store: object;
  /** Fields of messages that are being adopted, and may turn out not to be ours. */
  readonly adopting: { has(field: string): boolean };
  /** Whether each call names this place for the records of ended tasks. */
  readonly keepsRecordsAt: (db: string, ttl: string) => boolean;
  /** The lists that a publication goes to, and its bytes. */
  readonly address: (publication: Publication) => Promise<readonly AddressedMessage[]>;
  /** Whether our workers see messages that are due in this list. */
  readonly isOurs: (list: AddressedMessage) => boolean;
}

/** For the most frequent settlement: an acknowledgement with the record of an ended task. Null: it is another one. */
export function endedArgs(field: string, settlement: Settlement, rules: SettlementRules): string[] | null {
  if (settlement.kind !== 'ack' || !(settlement.write instanceof RedisRecordWrite)) return null;
  const { store, args } = settlement.write;
  const [kind, db, key, json, ttl] = args;
  const isUsual = kind === 'ready' && store === rules.store && !settlement.publish?.length;
  if (!isUsual || !rules.keepsRecordsAt(db, ttl)) return null;
  const isAdopted = rules.adopting.has(field);
  const history = historyOf(settlement.history, store);
  // Its frame is in the call: see `CommandBatcher.order`.
  if (history !== null && history.frame !== null)
    return [isAdopted ? 'h' : 'H', field, key, json, history.text];
  return withEntry([isAdopted ? 's' : 'S', field, key, json], history);
}

/** @throws UnroutableError, NotSerializableError, TypeError for a write of another store */
export async function settlementArgs(
  field: string,
  settlement: Settlement,
  now: number,
  rules: SettlementRules,
): Promise<string[]> {
  const record = (write: StoreWrite | undefined): readonly string[] => recordArgs(write, rules.store);
  switch (settlement.kind) {
    case 'ack': {
      const publications: string[] = [];
      let count = 0;
      for (const publication of settlement.publish ?? []) {
        const note = record(publication.write);
        const due = publication.eta === null ? 0 : publication.eta.getTime();
        for (const list of await rules.address(publication)) {
          // A message for our workers may wait in the schedule; any other is sent as Celery sends it.
          const mayWait = due > now && rules.isOurs(list);
          publications.push(list.queue, String(list.step), list.stored, mayWait ? String(due) : '', ...note);
          count++;
        }
      }
      const letter = rules.adopting.has(field) ? 'k' : 'K';
      const args = [letter, field, ...record(settlement.write), String(count), ...publications];
      const told = [settlement.history, ...(settlement.publish ?? []).map(({ history }) => history)];
      return told.reduce((all, write) => withEntry(all, historyOf(write, rules.store)), args);
    }
    case 'release': {
      const due = settlement.until?.getTime() ?? 0;
      const how = settlement.crashed === true ? 's' : settlement.deferred === true ? '1' : '0';
      return ['R', field, due > now ? String(due) : '', how, '1'];
    }
    case 'dead':
      return withEntry(
        ['D', field, settlement.reason, settlement.detail, ...record(settlement.write)],
        historyOf(settlement.history, rules.store),
      );
  }
}

/** The entry belongs to the operation before it. */
function withEntry(args: string[], history: RedisHistoryWrite | null): string[] {
  return history === null ? args : [...args, 'E', history.limit, history.entry];
}
