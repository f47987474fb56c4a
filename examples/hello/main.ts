// Sends two tasks and runs them: `npx tsx examples/hello/main.ts`
import { Worker } from 'umbel/worker';
import { add, app, greet } from './app.ts';

const worker = new Worker(app);
await worker.start();

const sum = await add.delay(2, 3);
console.log(`2 + 3 = ${await sum.get({ timeout: 10 })}`);

const greeting = await greet.applyAsync(['Ada'], { countdown: '200ms' });
console.log(await greeting.get({ timeout: 10 }));

await worker.stop();
await app.close();
