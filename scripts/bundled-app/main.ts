// Runs tasks in the pool that is named, and fails when they do not run there.
import { Worker } from 'umbel/worker';
import { app, where } from './app.ts';
import { place } from './tasks.ts';

const pool = process.argv[2] as 'async' | 'threads' | 'processes';
const module = new URL('./app.mjs', import.meta.url).href;
const worker = new Worker(app, { pool, concurrency: 2, module });
await worker.start();
const results = await Promise.all([1, 2, 3, 4].map(async (number) => (await where.delay(number)).get()));
await worker.stop();
await app.close();
const numbers = results.map(({ number }) => number);
const isHere = results.some((result) => result.place === place());
console.log(`pool ${pool}: ${JSON.stringify(results)}`);
if (numbers.join() !== '1,2,3,4' || isHere !== (pool === 'async')) process.exit(1);
