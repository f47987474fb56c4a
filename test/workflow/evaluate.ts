// What a workflow must come to, by definition: the failure algebra of `docs/guide/workflows.md` in a hundred lines.
import { type Described, itemsOf, mixed, said, shownSettled } from './random-workflow.ts';

/** What becomes of a workflow. One that ends in a group has an end for each of its members. */
export type End =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly type: string; readonly message: string | null }
  | { readonly kind: 'group'; readonly members: readonly End[] };

/** `ran`: each run of a task that must have been, as `n:input`. */
export interface Expected {
  readonly end: End;
  readonly ran: readonly string[];
}

export function evaluate(described: Described): Expected {
  const ran: string[] = [];
  const end = new Evaluator(ran).run(described, nothing, unheard, false, []);
  return { end, ran };
}

/** How a run is written down. */
export function runText(n: number, input: unknown): string {
  return `${n}:${JSON.stringify(input ?? null)}`;
}

/** Nothing went before: there is no input. */
const nothing: unique symbol = Symbol('nothing');

/** Error callbacks of what is around a part: those of its end, and those that what follows it shares with it. */
interface Errbacks {
  readonly ending: readonly number[];
  readonly followed: readonly number[];
}
const unheard: Errbacks = { ending: [], followed: [] };

type Failed = Extract<End, { kind: 'error' }>;
const chordError: Failed = { kind: 'error', type: 'ChordError', message: null };

class Evaluator {
  readonly #ran: string[];
  /** Groups that did not run, with what failed before them. */
  readonly #unrunGroups = new Map<End, Failed>();

  constructor(ran: string[]) {
    this.#ran = ran;
  }

  /**
   * `one`: it stands for one task (in a chord's header, in a task's place), so that it ends in one. `rest`: what follows it.
   */
  run(written: Described, input: unknown, around: Errbacks, one: boolean, rest: readonly Described[]): End {
    const described = unwrapped(written);
    const end = this.#bare(described, input, around, one, rest);
    if (end.kind === 'value') for (const n of described.link ?? []) this.#ran.push(runText(n, end.value));
    return end;
  }

  #bare(
    described: Described,
    input: unknown,
    around: Errbacks,
    one: boolean,
    rest: readonly Described[],
  ): End {
    const own = described.linkError ?? [];
    const all: Errbacks = { ...around, ending: [...own, ...around.ending] };
    switch (described.kind) {
      case 'call': {
        const { n, does } = described;
        const given = described.immutable || input === nothing ? null : shownSettled(input);
        this.#ran.push(runText(n, given));
        if (does !== 'fail') return { kind: 'value', value: mixed(given, n) };
        this.#tell(all);
        return { kind: 'error', type: 'RangeError', message: said(n) };
      }
      case 'map':
        return { kind: 'value', value: itemsOf(described).map((item) => mixed(item, 0)) };
      case 'starmap':
        return { kind: 'value', value: itemsOf(described).map((item) => mixed(item, described.n)) };
      case 'chunks': {
        const pieces = piecesOf(itemsOf(described).map((item) => mixed(item, described.n)));
        if (one) return { kind: 'value', value: pieces };
        return { kind: 'group', members: pieces.map((value) => ({ kind: 'value', value })) };
      }
      case 'replaced':
        this.#ran.push(runText(described.n, null));
        return this.run(described.by, input, all, true, []);
      case 'group': {
        // What waits for all members as one is told once; else each member tells.
        const ending = one ? own : all.ending;
        // Followed, it is a chord's header, of which each member counts once.
        const asOne = one || rest.length > 0;
        const members = described.members.map((each) =>
          this.run(each, input, { ending, followed: [] }, asOne, []),
        );
        if (!one) return { kind: 'group', members };
        const end = gathered(members);
        if (end.kind === 'error') this.#tell(around);
        return end;
      }
      case 'chord': {
        const ends = described.members.map((each) => this.run(each, input, unheard, true, []));
        if (!described.allSettled && ends.some(({ kind }) => kind === 'error')) {
          this.#tell(all);
          this.#unrun(described.body, rest);
          return this.#spread(described.body, chordError, one);
        }
        const results = ends.map((end) => resultIn(end, described.allSettled));
        return this.run(described.body, results, all, one, rest);
      }
      case 'chain':
        return this.#chain(described.steps, input, all, one, rest);
    }
  }

  /** A step that is followed gives one value: a group there is a chord's header, and the rest of the chain its body. */
  #chain(
    steps: readonly Described[],
    input: unknown,
    all: Errbacks,
    one: boolean,
    after: readonly Described[],
  ): End {
    const [step, ...rest] = steps;
    if (step === undefined) throw new Error('a chain has a step');
    if (rest.length === 0) return this.run(step, input, all, one, after);
    const left = [...rest, ...after];
    const end = this.run(
      step,
      input,
      { ending: [], followed: [...all.ending, ...all.followed] },
      false,
      left,
    );
    const unrun = end.kind === 'group' ? this.#unrunGroups.get(end) : undefined;
    const whole = unrun ?? (end.kind === 'group' ? gathered(end.members) : end);
    if (whole.kind === 'value') return this.#chain(rest, whole.value, all, one, after);
    if (end.kind === 'group' && unrun === undefined) {
      this.#tell(all);
      this.#unrunSteps(left);
    }
    return this.#spread(rest.at(-1), whole, one);
  }

  /** It fails before any of it has run: as if what it begins with had failed. `rest` follows it. */
  #unrun(written: Described, rest: readonly Described[]): void {
    const described = unwrapped(written);
    this.#tell({ ending: described.linkError ?? [], followed: [] });
    switch (described.kind) {
      case 'chain': {
        this.#unrunSteps([...described.steps, ...rest]);
        return;
      }
      case 'chord':
        for (const member of described.members) this.#unrun(member, []);
        this.#unrun(described.body, rest);
        return;
      case 'group':
      case 'chunks': {
        if (described.kind === 'group') for (const member of described.members) this.#unrun(member, []);
        this.#unrunSteps(rest);
      }
    }
  }

  #unrunSteps([first, ...others]: readonly Described[]): void {
    if (first !== undefined) this.#unrun(first, others);
  }

  /** Where a failure is found: at each end of what did not run. */
  #spread(last: Described | undefined, error: Failed, one: boolean): End {
    const end = spread(last, error, one);
    if (end.kind === 'group') this.#unrunGroups.set(end, error);
    return end;
  }

  #tell({ ending, followed }: Errbacks): void {
    for (const n of [...ending, ...followed]) this.#ran.push(runText(n, 'a failure'));
  }
}

/** A chain of one step is that step. */
function unwrapped(described: Described): Described {
  if (described.kind !== 'chain' || described.steps.length !== 1) return described;
  const step = unwrapped(described.steps[0] as Described);
  const both = (key: 'link' | 'linkError'): number[] => [...(step[key] ?? []), ...(described[key] ?? [])];
  return { ...step, link: both('link'), linkError: both('linkError') };
}

/** The members' values as one list, or the failure of a chord that waits for them. */
function gathered(members: readonly End[]): Extract<End, { kind: 'value' | 'error' }> {
  const values: unknown[] = [];
  for (const member of members) {
    const end = member.kind === 'group' ? gathered(member.members) : member;
    if (end.kind === 'error') return chordError;
    values.push(end.value);
  }
  return { kind: 'value', value: values };
}

function resultIn(end: End, settles: boolean): unknown {
  if (end.kind === 'error') return { status: 'rejected', reason: { type: end.type } };
  const value = end.kind === 'value' ? end.value : null;
  return settles ? { status: 'fulfilled', value } : value;
}

function piecesOf(values: readonly unknown[]): unknown[][] {
  const pieces: unknown[][] = [];
  for (let from = 0; from < values.length; from += 2) pieces.push(values.slice(from, from + 2));
  return pieces;
}

function spread(written: Described | undefined, error: Failed, one: boolean): End {
  const last = written && unwrapped(written);
  if (one || last === undefined) return error;
  switch (last.kind) {
    case 'group':
      return { kind: 'group', members: last.members.map((member) => spread(member, error, false)) };
    case 'chunks':
      return {
        kind: 'group',
        members: Array.from({ length: Math.ceil(last.items / 2) }, () => error),
      };
    case 'chain':
      return spread(last.steps.at(-1), error, false);
    case 'chord':
      return spread(last.body, error, false);
    default:
      return error;
  }
}
