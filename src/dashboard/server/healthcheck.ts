import { Problem } from '../../http/problem.ts';
import { withDeadline } from '../../lib/deadline.ts';
import type { DashboardContext, DashboardRequest } from './context.ts';

const timeoutMs = 2_000;

/** `GET /healthcheck`: `OK` if the broker answers. It needs no login. @throws Problem 503 */
export async function healthcheck(request: DashboardRequest, { app }: DashboardContext): Promise<Response> {
  const probe = async (): Promise<unknown> => (await app.broker()).size(app.config.taskDefaultQueue);
  try {
    await withDeadline(timeoutMs, probe(), () => new Error(`no answer within ${timeoutMs} ms`));
  } catch (cause) {
    // The answer does not have the cause, which may name the broker's address: this route needs no login. The log has it.
    throw new Problem(503, 'the broker does not answer', { headers: { 'Retry-After': '5' }, cause });
  }
  return request.text('OK');
}
