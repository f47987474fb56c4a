import { Problem } from '../../http/problem.ts';
import { withDeadline } from '../../lib/deadline.ts';
import type { DashboardContext, DashboardRequest } from './context.ts';

const patienceMs = 2_000;

/** `GET /healthcheck`, without a login: `OK` if the broker answers. @throws Problem 503 */
export async function healthcheck(request: DashboardRequest, { app }: DashboardContext): Promise<Response> {
  const look = async (): Promise<unknown> => (await app.broker()).size(app.config.taskDefaultQueue);
  try {
    await withDeadline(patienceMs, look(), () => new Error(`no answer within ${patienceMs} ms`));
  } catch (cause) {
    // The cause may reveal where the broker is: only the log has it, since this is open to all.
    throw new Problem(503, 'the broker does not answer', { headers: { 'Retry-After': '5' }, cause });
  }
  return request.text('OK');
}
