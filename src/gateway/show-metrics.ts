import { metricsType } from '../lib/prometheus.ts';
import { problems } from './openapi.ts';
import type { HttpRoute } from './route.ts';

/** `GET /metrics`: for Prometheus. It needs an API key as other routes do. */
export const showMetrics: HttpRoute = {
  method: 'GET',
  path: '/metrics',
  handle: (request, gateway) =>
    request.body(gateway.metrics.text(), 200, { 'Content-Type': metricsType, 'Cache-Control': 'no-store' }),
  describe: () => ({
    '/metrics': {
      operationId: 'metrics',
      summary: 'Metrics of the gateway, in the text format of Prometheus',
      tags: ['Health'],
      responses: {
        200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } },
        ...problems(401),
      },
    },
  }),
};
