// A process that uses the limits of a store for the first time when it is told to.
import { openTransport } from '../../src/stores/registry.ts';

process.on('message', (url: string) => {
  void use(url).then(
    (grant) => process.send?.({ url, grant }),
    (error: unknown) => process.send?.({ url, error: String(error) }),
  );
});
process.send?.('ready');

async function use(url: string): Promise<unknown> {
  const transport = await openTransport(url);
  const limits = await transport.openLimits?.({
    leaseMs: 15_000,
    name: `w${process.pid}`,
    onFree: () => undefined,
  });
  const grant = await limits?.take({
    token: `${process.pid}`,
    id: `${process.pid}`,
    queue: 'celery',
    asks: [{ kind: 'rate', name: 'sms', key: 'sms', limit: 1000, burst: 2 }],
    waits: true,
    baseMs: 10_000,
    perMs: 100,
    capMs: 600_000,
  });
  await limits?.close();
  await transport.close();
  return grant;
}
