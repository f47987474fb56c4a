// The application of the pictures: a shop, with work of several kinds, some of which fails.
import { setTimeout as sleep } from 'node:timers/promises';
import { App, every } from 'umbel';

export const app = new App('shop', {
  taskQueues: [{ name: 'celery' }, { name: 'mail' }, { name: 'images' }, { name: 'reports' }],
  taskSendSentEvent: true,
});

const work = (ms) => sleep(ms * (0.5 + Math.random()));

app.task('shop.charge', { maxRetries: 3, autoretryFor: [Error], defaultRetryDelay: 2 }, async (order) => {
  await work(60);
  if (order % 11 === 0) throw new Error('the bank does not answer');
  return { order, paid: true };
});
app.task('mail.welcome', { queue: 'mail' }, async (to) => {
  await work(40);
  if (to.startsWith('nobody')) throw new Error(`550 no mailbox ${to}`);
  return 'sent';
});
app.task('mail.receipt', { queue: 'mail', rateLimit: '20/s' }, () => work(30));
app.task('images.resize', { queue: 'images', timeLimit: 30 }, () => work(350));
app.task('images.album', { queue: 'images' }, (photos) => ({ photos: photos.length }));
const build = app.task('reports.build', { queue: 'reports', concurrency: { limit: 2, key: 0 } }, () =>
  work(1_500),
);
app.task('reports.month', { queue: 'reports', unique: { key: 0 } }, () => work(20_000));
app.schedule('nightly-report', every('20s'), build.s('today'));
