// The two main types of the protocol: a message on the wire (WireMessage), and the task call in it (TaskMessage).

/** A JSON-like value as decoded; typed values (dates, bytes, bigints) are their JavaScript counterparts. */
export type Json = Readonly<Record<string, unknown>>;

/** Where a message was sent to, in AMQP's terms. */
export interface DeliveryInfo {
  readonly exchange: string;
  readonly routing_key: string;
  readonly redelivered?: boolean;
}

/** The AMQP basic properties that Celery uses. Unknown ones are kept in `other`. */
export interface WireProperties {
  readonly correlationId: string | null;
  readonly replyTo: string | null;
  /** The number on the wire. On Redis and the embedded store 0 is the most urgent. */
  readonly priority: number;
  /** 2 = persistent. */
  readonly deliveryMode: number;
  /** Milliseconds, as text. */
  readonly expiration: string | null;
  readonly deliveryTag: string | null;
  readonly deliveryInfo: DeliveryInfo;
  readonly other: Json;
}

/** A message on the wire: serialized body, headers and properties. kombu's Message. */
export interface WireMessage {
  /** Serialized, and compressed if the header `compression` says so. */
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** AMQP application headers, snake_case as on the wire. */
  readonly headers: Json;
  readonly properties: WireProperties;
}

/** A signature on the wire (Celery's dict form). */
export interface WireSignature {
  /** The task's name. */
  readonly task: string;
  /** The positional arguments. */
  readonly args: readonly unknown[];
  /** The keyword arguments. */
  readonly kwargs: Json;
  /** The call's options, in Celery's spelling. */
  readonly options: Json;
  /** `chain`, `group`, `chord` …; null: a task. */
  readonly subtask_type: string | null;
  /** It takes no result of the step before. */
  readonly immutable: boolean;
  /** In the chord's body that members carry: the number of parts, if the sender knew it. Celery 5.1 wrote it, too. */
  readonly chord_size?: number;
  /** In the chord's body that members carry: the effect of a failed member; see `ChordPolicy`. Python ignores it. */
  readonly chord_policy?: 'fail-fast' | 'all-settled';
}

/** The signatures that are sent when the task has ended. */
export interface Embed {
  /** Celery's `link`. */
  readonly callbacks: readonly WireSignature[] | null;
  /** Celery's `link_error`. */
  readonly errbacks: readonly WireSignature[] | null;
  /** Remaining steps in reverse order: the next is the last. */
  readonly chain: readonly WireSignature[] | null;
  readonly chord: WireSignature | null;
}

/** A complete call of a task, with every field of protocol v2. Immutable by convention: copy it to change it. */
export interface TaskMessage {
  readonly id: string;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Json;
  readonly embed: Embed;
  /** The producer's language: `py`, `js`. */
  readonly lang: string;
  /** Display name for logs and events instead of `task`. */
  readonly shadow: string | null;
  readonly eta: Date | null;
  readonly expires: Date | null;
  readonly group: string | null;
  readonly groupIndex: number | null;
  readonly retries: number;
  /** Seconds. */
  readonly timeLimit: number | null;
  /** Seconds. */
  readonly softTimeLimit: number | null;
  readonly rootId: string;
  readonly parentId: string | null;
  /** Python's repr of the arguments, for people. */
  readonly argsrepr: string;
  readonly kwargsrepr: string;
  /** Node name of the sender, `gen123@host`. */
  readonly origin: string | null;
  readonly ignoreResult: boolean;
  readonly replacedTaskNesting: number;
  readonly stampedHeaders: readonly string[] | null;
  readonly stamps: Json;
  /** The user's own headers. */
  readonly headers: Json;
  readonly correlationId: string;
  readonly replyTo: string;
  readonly priority: number;
  /** false = transient, delivery mode 1. */
  readonly persistent: boolean;
}

/** Why bytes cannot be read as a message. These words never change, since they are stored with dead letters. */
export type RefusalReason =
  | 'envelope' // not kombu's JSON envelope
  | 'content-type' // a serializer that is unknown or not accepted (pickle among them)
  | 'compression' // unknown, corrupt
  | 'too-large' // over a size, depth or count limit, after decompression too
  | 'body' // the serializer cannot read it, or it is not [args, kwargs, embed]
  | 'headers' // a header of a wrong type or range
  | 'not-a-task'; // neither protocol v1 nor v2

/** A decoder's result for bytes that are not a message, with the reason. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** One sentence for users, without any part of the payload. */
  readonly detail: string;
}

/** The result of a decoder: a value or a refusal. Decoders never throw, whatever the bytes are. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };
