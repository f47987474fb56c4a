export type { StoreWrite } from '../lib/store-write.ts';
