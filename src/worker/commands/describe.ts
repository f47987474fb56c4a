// Descriptions of tasks, queues and settings, in Celery's form.
import type { App } from '../../app/app.ts';
import type { TaskRequest } from '../../app/running/request.ts';
import { resolveConfig } from '../../config/config.ts';
import { celeryNameOf } from '../../config/settings.ts';
import { redactedRepr, redactedSetting } from '../../lib/redact.ts';
import type { Json, TaskMessage } from '../../protocol/message.ts';
import { reprArgs, saferepr } from '../../protocol/saferepr.ts';
import type { Panel } from './panel.ts';

/** `startedAt`: milliseconds since 1970; null: it has not begun. */
export function taskInfo(panel: Panel, request: TaskRequest, startedAt: number | null, safe: boolean): Json {
  const { message, queue, redelivered } = request;
  return describeMessage(panel, message, { queue, redelivered, startedAt, safe });
}

export function describeMessage(
  { name: hostname, pool, app }: Panel,
  message: TaskMessage,
  about: {
    readonly queue: string;
    readonly redelivered: boolean;
    readonly startedAt: number | null;
    readonly safe: boolean;
  },
): Json {
  const { startedAt, safe, queue, redelivered } = about;
  const place = pool.report().find(({ taskId }) => taskId === message.id);
  return {
    id: message.id,
    name: message.task,
    args: safe ? redactedRepr(message.argsrepr || reprArgs(message.args)) : message.args,
    kwargs: safe ? redactedRepr(message.kwargsrepr || saferepr(message.kwargs)) : message.kwargs,
    type: message.task,
    hostname,
    time_start: startedAt === null ? null : startedAt / 1000,
    acknowledged: app.tasks.get(message.task)?.options.acksLate === false,
    delivery_info: { exchange: '', routing_key: queue, priority: message.priority, redelivered },
    worker_pid: startedAt === null ? null : (place?.pid ?? process.pid),
  };
}

export function queueInfo(app: App, name: string): Json {
  const queue = app.topology.queue(name);
  const [binding] = queue.bindings;
  const { 'x-message-ttl': ttl, 'x-expires': expires, 'x-max-length': length } = queue.arguments;
  const seconds = (ms: unknown): number | null => (typeof ms === 'number' ? ms / 1000 : null);
  return {
    name,
    exchange: {
      name: binding?.exchange.name ?? name,
      type: binding?.exchange.type ?? 'direct',
      arguments: null,
      durable: binding?.exchange.durable ?? true,
      passive: false,
      auto_delete: false,
      delivery_mode: null,
      no_declare: false,
    },
    routing_key: binding?.routingKey ?? name,
    queue_arguments: Object.keys(queue.arguments).length === 0 ? null : queue.arguments,
    binding_arguments: null,
    consumer_arguments: null,
    durable: queue.durable,
    exclusive: queue.exclusive,
    auto_delete: queue.autoDelete,
    no_ack: false,
    alias: null,
    bindings: queue.bindings.slice(1).map(({ exchange, routingKey }) => [exchange.name, routingKey]),
    no_declare: null,
    expires: seconds(expires),
    message_ttl: seconds(ttl),
    max_length: typeof length === 'number' ? length : null,
    max_length_bytes: queue.arguments['x-max-length-bytes'] ?? null,
    max_priority: queue.maxPriority,
  };
}

/** Settings in Celery's spelling, secrets hidden. Without `withDefaults` only those that differ from their defaults. */
export function settingsOf({ config }: App, withDefaults: boolean): Json {
  const usual = new Map<string, unknown>(Object.entries(resolveConfig({}, {})));
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    const spelled = celeryNameOf(name);
    const same = JSON.stringify(usual.get(name)) === JSON.stringify(value);
    if (withDefaults || !same) shown[spelled] = redactedSetting(spelled, value);
  }
  return shown;
}
