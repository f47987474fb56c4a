// What must be the same on every broker: acknowledgements, limits of all workers, unique tasks, revocations.
import { describe } from 'vitest';
import { acksCases } from './acks-cases.ts';
import { type Broker, onEachBroker } from './everywhere.ts';
import { historyCases } from './history-cases.ts';
import { limitCases, prefetchCases } from './limit-cases.ts';
import { pauseCases } from './pause-cases.ts';
import { revokeCases } from './revoke-cases.ts';
import { uniqueCases } from './unique-cases.ts';

export function sameEverywhere(brokers: readonly Broker[]): void {
  onEachBroker(brokers, (broker, newUrls) => {
    describe('acknowledgements', () => acksCases(broker, newUrls));
    describe('the history', () => historyCases(broker, newUrls));
    describe('limits of all workers', () => limitCases(broker, newUrls));
    describe('prefetching', () => prefetchCases(broker, newUrls));
    describe('what is paused', () => pauseCases(broker, newUrls));
    describe('revoked tasks', () => revokeCases(broker, newUrls));
    describe('unique tasks', () => uniqueCases(broker, newUrls));
  });
}
