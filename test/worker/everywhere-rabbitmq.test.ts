// What must be the same on every broker (`everywhere.test.ts`).
import { sameEverywhere } from './everywhere-cases.ts';

sameEverywhere(['rabbitmq']);
