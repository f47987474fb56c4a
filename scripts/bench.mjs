// Our speed beside a peer's, in one run. `npm run bench`; arguments go to the benchmark.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fail, install, root, run, setUp } from './setup.mjs';

const bench = join(root, 'bench');
const program = ['main.ts', 'main.mjs'].map((name) => join(bench, name)).find(existsSync);
if (!program) fail(`There is no benchmark in ${bench}.`);

await setUp();
// The peers are dependencies of the benchmark only, with a lock file of their own.
if (existsSync(join(bench, 'package-lock.json'))) await install(bench);
const loader = program.endsWith('.ts') ? ['--import', 'tsx'] : [];
process.exitCode = await run([process.execPath, ...loader, program, ...process.argv.slice(2)]);
