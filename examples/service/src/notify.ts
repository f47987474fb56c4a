// Tells another service something, by HTTP. What can go wrong there is of two kinds, and only one of them is worth a repetition.
import { z } from '@hono/zod-openapi';

/** The other service is away or overloaded: later it may work. */
export class ServiceAway extends Error {
  override readonly name = 'ServiceAway';
}

/** The other service does not want this request: it will not want it later. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

/** What few programs can keep is refused where its sender can be told: NUL, and half of a surrogate pair. */
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\0\p{Cs}]*$/u, 'has a NUL or half of a surrogate pair');

/** Checked when it comes over HTTP, and when a worker gets it. */
export const Notification = z
  .object({
    to: text(200).openapi({ example: 'ada@example.com' }),
    text: text(10_000).openapi({ example: 'Your order has left.' }),
  })
  .openapi('Notification');
export type Notification = z.output<typeof Notification>;

/**
 * @param id the same for each repetition: the other service can tell a repetition from a second notification
 * @param signal of the task: it was revoked, or takes too long
 */
export async function post(
  url: string,
  id: string,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': id },
      body: JSON.stringify(notification),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ServiceAway(`${new URL(url).host} does not answer`, { cause: error });
  }
  await response.body?.cancel();
  if (response.ok) return;
  const said = `${new URL(url).host} answered ${response.status}`;
  throw response.status >= 500 || response.status === 408 || response.status === 429
    ? new ServiceAway(said)
    : new RequestRefused(said);
}
