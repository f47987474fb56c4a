// What Prometheus sees of a gateway.
import { expect, it } from 'vitest';
import { get, newApp, newGateway, post, startWorker } from './bench.ts';

it('counts requests by route and status, and no ids, methods or paths that callers invent', async () => {
  const app = newApp();
  app.task('shop.add', (x: number, y: number) => x + y);
  const gateway = newGateway(app, { basePath: '/api' });
  await startWorker(app);
  const sent = await post(gateway, '/api/tasks/shop.add', { args: [2, 3] });
  const { id } = (await sent.json()) as { id: string };
  expect((await get(gateway, `/api/tasks/${id}/result?wait=60`)).status).toBe(200);
  await get(gateway, `/api/tasks/${'x'.repeat(30)}`);
  await get(gateway, '/api/nothing/here');
  await gateway.fetch(new Request('http://localhost/api/health', { method: 'BREW' }));
  const response = await get(gateway, '/api/metrics');
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    expect.stringContaining('version=0.0.4'),
  ]);
  const text = await response.text();
  const counts = text.split('\n').filter((line) => line.startsWith('umbel_gateway_requests_total'));
  expect(counts).toEqual(
    expect.arrayContaining([
      'umbel_gateway_requests_total{route="/tasks/:id",method="POST",status="2xx"} 1',
      'umbel_gateway_requests_total{route="/tasks/:id/result",method="GET",status="2xx"} 1',
      'umbel_gateway_requests_total{route="none",method="GET",status="4xx"} 1',
      'umbel_gateway_requests_total{route="/health",method="other",status="4xx"} 1',
    ]),
  );
  expect(text).not.toContain(id);
  expect(text).toContain(
    'umbel_gateway_request_duration_seconds_count{route="/tasks/:id/result",method="GET"} 1',
  );
  expect(text).toContain('umbel_gateway_waiting_requests 0');
  expect(text).toContain('process_resident_memory_bytes ');
});

it('needs an API key, as other routes do', async () => {
  const gateway = newGateway(newApp(), { apiKeys: ['secret'] });
  expect((await get(gateway, '/metrics')).status).toBe(401);
  expect((await get(gateway, '/metrics', { authorization: 'Bearer secret' })).status).toBe(200);
});
