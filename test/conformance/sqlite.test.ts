import { conformance } from './run.ts';
import { sqliteStore } from './stores.ts';

conformance('sqlite', sqliteStore);
