// Which tasks: a question, read.
import type { FieldName } from './fields.ts';

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** Anywhere in its name, id, arguments, result and errors. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: FieldName; readonly test: Test }
  /** A member of its arguments. */
  | {
      readonly kind: 'member';
      readonly of: 'args' | 'kwargs';
      readonly path: readonly string[];
      readonly test: MemberTest;
    }
  | { readonly kind: 'stamp'; readonly name: string; readonly value: string | null };

export type Comparison = '<' | '<=' | '>' | '>=';

export type Test =
  /** Somebody has told it. */
  | { readonly kind: 'known' }
  | { readonly kind: 'is'; readonly text: string }
  /** `*` stands for any text. */
  | { readonly kind: 'like'; readonly glob: string }
  | { readonly kind: 'holds'; readonly text: string }
  | { readonly kind: 'number'; readonly op: Comparison | '='; readonly value: number }
  /** From, and up to and without. */
  | { readonly kind: 'between'; readonly from: number; readonly to: number }
  /** Milliseconds before now; negative: after. */
  | { readonly kind: 'age'; readonly op: Comparison; readonly ms: number };

export type MemberTest =
  | Extract<Test, { kind: 'known' | 'like' | 'number' }>
  /** It is one of these, as JSON text. */
  | { readonly kind: 'json'; readonly oneOf: readonly string[] };
