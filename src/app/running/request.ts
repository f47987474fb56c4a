import type { Json, TaskMessage, WireProperties } from '../../protocol/message.ts';
import { propertiesMap } from '../../protocol/properties.ts';
import type { ResultTuple } from '../../protocol/result-meta.ts';

/** The call that runs, as the task sees it: `task.request`. Celery's request context. */
export interface TaskRequest {
  /** The task's id. */
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  /** The positional arguments, as they came. */
  readonly args: readonly unknown[];
  /** The keyword arguments, as they came. */
  readonly kwargs: Json;
  /** How many retries there were so far: 0 on the first run. */
  readonly retries: number;
  /** It was not to run before this time; null: at once. */
  readonly eta: Date | null;
  /** It was not to start after this time; null: it does not expire. */
  readonly expires: Date | null;
  /** The first task of the workflow; the task itself if no task sent it. */
  readonly rootId: string;
  /** The task that sent this one. */
  readonly parentId: string | null;
  /** The id of its group; null: it is not in one. */
  readonly group: string | null;
  /** Its place in the group, from 0. */
  readonly groupIndex: number | null;
  /** Node name of the sender, `gen123@host`. */
  readonly origin: string | null;
  /** The queue of the sender to which an `rpc://` result goes; empty: there is none. */
  readonly replyTo: string;
  /** By which the sender knows the result again: the task's id. */
  readonly correlationId: string;
  /** The user's own headers. */
  readonly headers: Json;
  /** The stamps that it carries: lists of values by name. */
  readonly stamps: Json;
  /** Seconds, set by the sender. Without it the task's option counts, then the configuration. */
  readonly timeLimit: number | null;
  /** Seconds, set by the sender. */
  readonly softTimeLimit: number | null;
  /** The caller wants no result. */
  readonly ignoreResult: boolean;
  /** The number on the wire: the most urgent is 0 on Redis, and the highest number on RabbitMQ. */
  readonly priority: number;
  /** The queue from which it came. */
  readonly queue: string;
  /** It was delivered before: that worker died, or lost its lease. */
  readonly redelivered: boolean;
  /**
   * The message's properties by their names on the wire, as in Celery: `correlation_id`, `delivery_info` …, and others that its sender set,
   * such as `app_id`. Empty when the call came without a message.
   */
  readonly properties: Json;
  /** How the message came. */
  readonly deliveryInfo: RequestDeliveryInfo;
  /** Node name of the worker that runs it. */
  readonly hostname: string;
  /** `apply()` runs it in the caller's process. */
  readonly isEager: boolean;
  /** The whole message, as decoded. */
  readonly message: TaskMessage;
  /** The tasks that this run has sent, for its result record (Celery's `children`). Grows while it runs. */
  readonly children: ResultTuple[];
}

/** How a message came: Celery's `delivery_info`. */
interface RequestDeliveryInfo {
  /** `''`: straight to the queue. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly priority: number;
  readonly redelivered: boolean;
}

/** Where and how a message is run. */
interface RequestPlace {
  readonly queue: string;
  readonly redelivered: boolean;
  readonly hostname: string;
  readonly isEager: boolean;
  /** Properties of the message. */
  readonly properties?: WireProperties | undefined;
}

/** The {@link TaskRequest} for a message. Cheap: its getters read the message. */
export function toRequest(message: TaskMessage, place: RequestPlace): TaskRequest {
  return new MessageRequest(message, place);
}

class MessageRequest implements TaskRequest {
  readonly message: TaskMessage;
  readonly #place: RequestPlace;
  #children: ResultTuple[] | null = null;

  constructor(message: TaskMessage, place: RequestPlace) {
    this.message = message;
    this.#place = place;
  }

  get id(): string {
    return this.message.id;
  }
  get task(): string {
    return this.message.task;
  }
  get args(): readonly unknown[] {
    return this.message.args;
  }
  get kwargs(): Json {
    return this.message.kwargs;
  }
  get retries(): number {
    return this.message.retries;
  }
  get eta(): Date | null {
    return this.message.eta;
  }
  get expires(): Date | null {
    return this.message.expires;
  }
  get rootId(): string {
    return this.message.rootId;
  }
  get parentId(): string | null {
    return this.message.parentId;
  }
  get group(): string | null {
    return this.message.group;
  }
  get groupIndex(): number | null {
    return this.message.groupIndex;
  }
  get origin(): string | null {
    return this.message.origin;
  }
  get replyTo(): string {
    return this.message.replyTo;
  }
  get correlationId(): string {
    return this.message.correlationId;
  }
  get headers(): Json {
    return this.message.headers;
  }
  get stamps(): Json {
    return this.message.stamps;
  }
  get timeLimit(): number | null {
    return this.message.timeLimit;
  }
  get softTimeLimit(): number | null {
    return this.message.softTimeLimit;
  }
  get ignoreResult(): boolean {
    return this.message.ignoreResult;
  }
  get priority(): number {
    return this.message.priority;
  }
  get queue(): string {
    return this.#place.queue;
  }
  get redelivered(): boolean {
    return this.#place.redelivered;
  }
  get properties(): Json {
    const { properties } = this.#place;
    return properties === undefined ? {} : propertiesMap(properties);
  }
  get deliveryInfo(): RequestDeliveryInfo {
    const { properties, redelivered, queue } = this.#place;
    const { exchange = '', routing_key: routingKey = queue } = properties?.deliveryInfo ?? {};
    return { exchange, routingKey: routingKey || queue, priority: this.priority, redelivered };
  }
  get hostname(): string {
    return this.#place.hostname;
  }
  get isEager(): boolean {
    return this.#place.isEager;
  }
  get children(): ResultTuple[] {
    this.#children ??= [];
    return this.#children;
  }
}
