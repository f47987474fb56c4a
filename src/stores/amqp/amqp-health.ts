// The figures of RabbitMQ. AMQP tells only that the server refuses messages (an alarm); the rest is told by its management plugin, over HTTP.
import { isRecord } from '../../lib/narrow.ts';
import { redacted } from '../../lib/redact.ts';
import { figure, fullness, type HealthFigure, unknownFigure } from '../store-health.ts';
import type { TransportStatus } from '../transport.ts';

const timeoutMs = 2_500;

/** Never rejects: an API that does not answer leaves figures unknown. */
export async function amqpHealth(
  status: TransportStatus,
  managementUrl: string | null,
): Promise<readonly HealthFigure[]> {
  const alarm: readonly HealthFigure[] =
    status.state === 'blocked'
      ? [unknownFigure('alarm', 'number', `it takes no messages: ${status.reason ?? 'an alarm'}`, 'danger')]
      : [];
  if (managementUrl === null)
    return [
      ...alarm,
      ...unknown('AMQP does not tell it; name the HTTP API of the management plugin: --broker-api'),
    ];
  try {
    const [overview, nodes] = await Promise.all([
      ask(managementUrl, 'overview'),
      ask(managementUrl, 'nodes'),
    ]);
    return [...alarm, ...figuresOfNodes(overview, nodes)];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [...alarm, ...unknown(`${redacted(managementUrl)}: ${why}`)];
  }
}

function unknown(why: string): readonly HealthFigure[] {
  return [unknownFigure('memory', 'bytes', why), unknownFigure('connections', 'number', why)];
}

/** @throws when there is no answer, or an error */
async function ask(base: string, path: string): Promise<unknown> {
  const url = new URL(`${base.replace(/\/+$/, '')}/${path}`);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const response = await fetch(url, {
    headers: username === '' ? {} : { Authorization: `Basic ${login.toString('base64')}` },
    signal: AbortSignal.timeout(timeoutMs),
    redirect: 'error', // the password must not go elsewhere
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`it does not answer (${cause instanceof Error ? cause.message : cause})`, { cause });
  });
  if (response.status === 401 || response.status === 403)
    throw new Error(`it refuses this user (HTTP ${response.status}), who needs the tag 'monitoring'`);
  if (!response.ok) throw new Error(`it answers with HTTP ${response.status}`);
  return response.json();
}

/** The node that is closest to a limit stands for the cluster. Pure. */
export function figuresOfNodes(overview: unknown, nodes: unknown): readonly HealthFigure[] {
  const list = (Array.isArray(nodes) ? nodes : []).filter(isRecord);
  const totals = isRecord(overview) && isRecord(overview.object_totals) ? overview.object_totals : {};
  const running = list.filter(({ running: runs }) => runs !== false);
  return [
    memoryOf(running),
    diskOf(running),
    typeof totals.connections === 'number'
      ? figure('connections', totals.connections, 'number')
      : unknownFigure('connections', 'number', 'the HTTP API does not tell it'),
    ...list
      .filter((node) => !running.includes(node))
      .map(({ name }) => unknownFigure(`node ${String(name)}`, 'number', 'it does not run', 'warning')),
  ];
}

type Node = Readonly<Record<string, unknown>>;

function memoryOf(nodes: readonly Node[]): HealthFigure {
  const worst = nodes
    .flatMap(({ name, mem_used: used, mem_limit: limit, mem_alarm: alarm }) =>
      typeof used === 'number' && typeof limit === 'number' && limit > 0
        ? [{ name, used, limit, alarm: alarm === true }]
        : [],
    )
    .sort((a, b) => b.used / b.limit - a.used / a.limit)[0];
  if (worst === undefined) return unknownFigure('memory', 'bytes', 'the HTTP API does not tell it');
  const { name, used, limit, alarm } = worst;
  return figure('memory', used, 'bytes', {
    limit,
    level: alarm ? 'danger' : fullness(used, limit),
    note: `${alarm ? 'alarm: it takes no messages; ' : ''}${String(name)}${nodes.length > 1 ? `, the fullest of ${nodes.length} nodes` : ''}`,
  });
}

function diskOf(nodes: readonly Node[]): HealthFigure {
  const worst = nodes
    .flatMap(({ disk_free: free, disk_free_limit: least, disk_free_alarm: alarm }) =>
      typeof free === 'number'
        ? [{ free, least: typeof least === 'number' ? least : 0, alarm: alarm === true }]
        : [],
    )
    .sort((a, b) => a.free - b.free)[0];
  if (worst === undefined) return unknownFigure('free disk', 'bytes', 'the HTTP API does not tell it');
  const { free, least, alarm } = worst;
  const isLow = free < 2 * least;
  return figure('free disk', free, 'bytes', {
    level: alarm ? 'danger' : isLow ? 'warning' : 'fine',
    note: alarm ? 'alarm: it takes no messages' : isLow ? `below ${least} bytes it takes no messages` : '',
  });
}
