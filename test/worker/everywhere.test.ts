// What must be the same on every broker: acknowledgements, limits of all workers, unique tasks, revocations. One start of the servers for all.
import { describe } from 'vitest';
import { acksCases } from './acks-cases.ts';
import { allBrokers, onEachBroker } from './everywhere.ts';
import { limitCases, prefetchCases } from './limit-cases.ts';
import { revokeCases } from './revoke-cases.ts';
import { uniqueCases } from './unique-cases.ts';

onEachBroker(allBrokers, (broker, newUrls) => {
  describe('acknowledgements', () => acksCases(broker, newUrls));
  describe('limits of all workers', () => limitCases(broker, newUrls));
  describe('prefetching', () => prefetchCases(broker, newUrls));
  describe('revoked tasks', () => revokeCases(broker, newUrls));
  describe('unique tasks', () => uniqueCases(broker, newUrls));
});
