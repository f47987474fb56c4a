// What sending knows of a task.
import type { SerializerName } from '../protocol/serializers.ts';
import type { ParameterNames } from './parameters.ts';
import type { Priority } from './priority.ts';
import type { ObjectSchema } from './standard-schema.ts';
import type { UniqueRule } from './unique-options.ts';

/** A task whose calls can be sent. */
export interface SendableTask {
  readonly name: string;
  readonly options: TaskCallOptions;
  /** Its code; `null`: it lives elsewhere. */
  readonly run: unknown;
}

/** The options of a task that act on its calls when they are sent, complete. Durations are seconds. */
export interface TaskCallOptions {
  /** The schema of a keyword task. */
  readonly input: ObjectSchema | null;
  /** What a positional task's parameters are called, if it says so. */
  readonly parameters: ParameterNames | null;
  readonly ignoreResult: boolean;
  readonly unique: UniqueRule | null;
  readonly serializer: SerializerName;
  readonly compression: string | null;
  readonly queue: string | null;
  readonly priority: Priority | null;
  readonly expires: number | null;
  /** What the task itself says of time limits: it travels with its calls, as in Celery; the configuration's does not. */
  readonly sent: { readonly timeLimit: number | null; readonly softTimeLimit: number | null };
}
