// A process that moves messages forth and back between two queues until it is killed.
import { App } from '../../src/app/app.ts';

const app = new App('moving', { broker: process.argv[2] ?? '', backend: null });
await app.open();
console.log('moves');
for (;;) {
  await app.queues.move('a', 'b');
  await app.queues.move('b', 'a');
}
