// A query after parsing: a tree of conditions on tasks.
import type { FieldName } from './fields.ts';

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** Text in the task's name, id, arguments, result or errors. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: FieldName; readonly test: Test }
  /** A member of the task's arguments. */
  | {
      readonly kind: 'member';
      readonly of: 'args' | 'kwargs';
      readonly path: readonly string[];
      readonly test: MemberTest;
    }
  | { readonly kind: 'stamp'; readonly name: string; readonly value: string | null };

export type Comparison = '<' | '<=' | '>' | '>=';

export type Test =
  /** The value is known. */
  | { readonly kind: 'known' }
  | { readonly kind: 'is'; readonly text: string }
  /** `*` stands for any text. */
  | { readonly kind: 'like'; readonly glob: string }
  | { readonly kind: 'holds'; readonly text: string }
  | { readonly kind: 'number'; readonly op: Comparison | '='; readonly value: number }
  /** Both limits included. */
  | { readonly kind: 'between'; readonly from: number; readonly to: number }
  /** Milliseconds before now; negative: after now. */
  | { readonly kind: 'age'; readonly op: Comparison; readonly ms: number };

export type MemberTest =
  | Extract<Test, { kind: 'known' | 'like' | 'number' }>
  /** The value equals one of these JSON texts. */
  | { readonly kind: 'json'; readonly oneOf: readonly string[] };
