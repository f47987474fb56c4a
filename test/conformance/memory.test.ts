import { conformance } from './run.ts';
import { memoryStore } from './stores.ts';

conformance('memory', memoryStore);
