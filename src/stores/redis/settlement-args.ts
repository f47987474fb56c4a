// A settlement as an operation of the batch script.
import type { StoreWrite } from '../store-write.ts';
import type { Publication, Settlement } from '../transport.ts';
import type { AddressedMessage } from './queue-lists.ts';
import { recordArgs } from './record-args.ts';
import { RedisRecordWrite } from './record-write.ts';

export interface SettlementRules {
  /** `RedisSettings.store` */
  readonly store: object;
  /** It is not sure yet that the message is ours: it is being adopted. */
  readonly adopting: { has(field: string): boolean };
  /** The records of ended tasks go there without its being said each time. */
  readonly keepsRecordsAt: (db: string, ttl: string) => boolean;
  /** The lists that a publication goes to, and its bytes. */
  readonly address: (publication: Publication) => Promise<readonly AddressedMessage[]>;
  /** Our workers see what is due in this list. */
  readonly isOurs: (list: AddressedMessage) => boolean;
}

/** What nearly always is to be done: acknowledge with the record of a task that has ended. Null: it is something else. */
export function endedArgs(field: string, settlement: Settlement, rules: SettlementRules): string[] | null {
  if (settlement.kind !== 'ack' || !(settlement.write instanceof RedisRecordWrite)) return null;
  const { store, args } = settlement.write;
  const [kind, db, key, json, ttl] = args;
  const isUsual = kind === 'ready' && store === rules.store && !settlement.publish?.length;
  if (!isUsual || !rules.keepsRecordsAt(db, ttl)) return null;
  return [rules.adopting.has(field) ? 's' : 'S', field, key, json];
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
          // One that our workers will see may wait where they look; any other is sent as Celery sends it.
          const mayWait = due > now && rules.isOurs(list);
          publications.push(list.queue, String(list.step), list.stored, mayWait ? String(due) : '', ...note);
          count++;
        }
      }
      const letter = rules.adopting.has(field) ? 'k' : 'K';
      return [letter, field, ...record(settlement.write), String(count), ...publications];
    }
    case 'release': {
      const due = settlement.until?.getTime() ?? 0;
      const how = settlement.crashed === true ? 's' : settlement.deferred === true ? '1' : '0';
      return ['R', field, due > now ? String(due) : '', how, '1'];
    }
    case 'dead':
      return ['D', field, settlement.reason, settlement.detail, ...record(settlement.write)];
  }
}
