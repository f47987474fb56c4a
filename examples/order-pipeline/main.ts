// Three orders: one goes through, one cannot be paid, one cannot be shipped. `npx tsx examples/order-pipeline/main.ts`
import { app, handle, type Order, stateOf } from './app.ts';

const orders: Order[] = [
  { id: 'a1', item: 'kettle', price: 30 },
  { id: 'a2', item: 'piano', price: 4000 },
  { id: 'a3', item: 'anvil', price: 90 },
];
for (const order of orders) {
  const result = await handle(order).delay();
  const end = await result.get({ timeout: 30, propagate: false });
  console.log(`${order.id} ${order.item}: ${end instanceof Error ? end.message : 'shipped'}`);
}
await new Promise((resolve) => setTimeout(resolve, 500)); // what undoes runs after the failure is known
for (const order of orders)
  console.log(`${order.id} is ${stateOf(order).join(', ') || 'as if never ordered'}`);
await app.close();
