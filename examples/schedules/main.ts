// A worker and a beat in one program, until two heartbeats have run: `npx tsx examples/schedules/main.ts`
import { Beat, Schedules } from 'umbel/beat';
import { Worker } from 'umbel/worker';
import { app } from './app.ts';

const worker = new Worker(app);
const beat = new Beat(app);
await Promise.all([worker.start(), beat.start()]);

const schedules = await Schedules.open(app);
for (const { name, schedule, task } of await schedules.list())
  console.log(`${name}: ${schedule} sends ${task}`);

// Schedules are data: this one is not declared in the application, and stays until it is deleted.
await schedules.add('fast-heartbeat', '500ms', 'maintenance.heartbeat');
while ((await schedules.get('fast-heartbeat')).sent < 2) await new Promise((done) => setTimeout(done, 100));
await schedules.remove('fast-heartbeat');

// An extra run, beside the schedule.
const overdue = await schedules.run('check-overdue-tasks');
console.log(`overdue: ${JSON.stringify(await overdue.get({ timeout: 10 }))}`);

await schedules.close();
await beat.stop();
await worker.stop();
await app.close();
