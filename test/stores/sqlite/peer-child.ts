// A process that joins the peers of a store as an owner of leases, and does as it is told on its standard input.
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';

const [file = '', leaseMs = ''] = process.argv.slice(2);
const store = await SqliteStore.open(file);
store.peers.listen({
  onNotified: (text) => console.log(`rung ${text}`),
  onEvicted: () => console.log('evicted'),
});
await store.peers.own(Number(leaseMs), 'child');
console.log(`joined ${await store.peers.id()}`);
process.stdin.setEncoding('utf8').on('data', (order: string) => {
  if (order.startsWith('block ')) {
    const ms = Number(order.slice('block '.length));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    console.log('unblocked');
  }
  if (order.startsWith('leave')) void store.close().then(() => process.exit());
});
