// An order in three steps, each of which can be undone. Files record the finished steps, so that a repeated step does nothing.
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { App, chain, type Signature } from 'umbel';

export const app: App = new App('order-pipeline');

const done = process.env.ORDERS ?? '.umbel/orders';

export interface Order {
  readonly id: string;
  readonly item: string;
  readonly price: number;
}

export const reserve = app.task('orders.reserve', (order: Order) => mark(order, 'reserved'));
export const release = app.task('orders.release', (order: Order) => unmark(order, 'reserved'));

/** A card above its limit is refused. A retry would not help. */
export const charge = app.task('orders.charge', (order: Order) => {
  if (order.price > 1000) throw new RangeError(`the card does not cover ${order.price}`);
  return mark(order, 'charged');
});
export const refund = app.task('orders.refund', (order: Order) => unmark(order, 'charged'));

/** The carrier is away for the first two attempts, and always refuses heavy goods. */
export const ship = app.task('orders.ship', { bind: true, maxRetries: 3 }, (task, order: Order) => {
  if (order.item === 'anvil') throw new RangeError('too heavy');
  if (task.request.retries < 2)
    throw task.retry(new Error('the carrier does not answer'), { countdown: 0.1 });
  return mark(order, 'shipped');
});

/** Each step has the tasks that undo the steps before it. They run once, when the step has failed for good. */
export function handle(order: Order): Signature<[], Order> {
  return chain(
    reserve.s(order),
    charge.s().linkError(release.si(order)),
    ship.s().linkError(chain(refund.si(order), release.si(order))),
  );
}

/** The finished steps of an order. */
export function stateOf({ id }: Order): string[] {
  return ['reserved', 'charged', 'shipped'].filter((step) => existsSync(join(done, `${id}.${step}`)));
}

async function mark(order: Order, step: string): Promise<Order> {
  await mkdir(done, { recursive: true });
  await writeFile(join(done, `${order.id}.${step}`), JSON.stringify(order));
  return order;
}

async function unmark(order: Order, step: string): Promise<void> {
  await rm(join(done, `${order.id}.${step}`), { force: true });
}
