// Sends what the shop's customers cause, until it is stopped: more and fewer of them, and now and then a big album.
import { setTimeout as sleep } from 'node:timers/promises';
import { chord } from 'umbel';
import { app } from './shop.mjs';

/** Photos of an order that become an album when all are resized. `queue`: of one of them. */
function album(order, queue) {
  const photo = (n) => app.signature('images.resize').clone(`album-${order}-${n}.jpg`, 800);
  return chord([photo(1), photo(2), photo(3).set({ queue })], app.signature('images.album')).delay();
}

await app.send('reports.month', ['May'], { queue: 'reports' });
await app.send('mail.welcome', ['later@example.com'], { queue: 'mail', countdown: 3_600 });

for (let order = 1; ; order++) {
  await app.send('shop.charge', [order]);
  await app.send('images.resize', [`photo-${order}.jpg`, 800]);
  if (order % 2 === 0) await app.send('mail.receipt', [order]);
  if (order % 5 === 0)
    await app.send('mail.welcome', [`${order % 60 === 0 ? 'nobody' : 'ada'}${order}@example.com`]);
  if (order % 50 === 0) await album(order, order === 50 ? 'forgotten' : 'images'); // nobody serves that one: its chord waits
  if (order % 70 === 0) await app.send('shop.removed', [order]); // a dead letter
  if (order % 40 === 0) await app.send('reports.build', [`week ${order / 40}`]);
  if (order % 400 === 0)
    for (let photo = 0; photo < 150; photo++)
      await app.send('images.resize', [`album-${order}-${photo}.jpg`, 800]);
  const minutes = performance.now() / 60_000;
  await sleep(300 * (1 + 0.6 * Math.sin(minutes / 2)) * (0.5 + Math.random()));
}
