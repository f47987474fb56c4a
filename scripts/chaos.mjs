// Kills workers at every named point of a task's way, on every store: `npm run chaos`. What it takes: test/chaos/main.ts
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

process.chdir(root);
await setUp();
const program = join(root, 'test', 'chaos', 'main.ts');
process.exitCode = await run([process.execPath, '--import', 'tsx', program, ...process.argv.slice(2)]);
