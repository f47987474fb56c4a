// The part of a task that sending needs.
import type { SerializerName } from '../protocol/serializers.ts';
import type { ParameterNames } from './parameters.ts';
import type { Priority } from './priority.ts';
import type { ObjectSchema } from './standard-schema.ts';
import type { UniqueRule } from './unique-options.ts';

/** A task whose calls can be sent. */
export interface SendableTask {
  readonly name: string;
  readonly options: TaskCallOptions;
  /** The task's function; `null`: its code is in another program. */
  readonly run: unknown;
}

/** The options of a task that apply when its calls are sent, complete. Durations are seconds. */
export interface TaskCallOptions {
  /** The schema of a keyword task. */
  readonly input: ObjectSchema | null;
  /** The names of a positional task's parameters; null: it declares none. */
  readonly parameters: ParameterNames | null;
  readonly ignoreResult: boolean;
  readonly unique: UniqueRule | null;
  readonly serializer: SerializerName;
  readonly compression: string | null;
  readonly queue: string | null;
  readonly priority: Priority | null;
  readonly expires: number | null;
  /** The task's own time limits, which are sent with its calls, as in Celery. Those of the settings are not sent. */
  readonly sent: { readonly timeLimit: number | null; readonly softTimeLimit: number | null };
}
