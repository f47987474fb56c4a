// Random workflows as descriptions, and the signatures of them. Shared by the tests of planning, of `apply` and of real stores.
import {
  type AnySignature,
  type App,
  chain,
  chord,
  chunks,
  group,
  map,
  type Settled,
  starmap,
} from '../../src/index.ts';
import { fc } from '../lib/property.ts';

/** A workflow, described. `n` is a task's own number: no two have the same. */
export type Described = Linked &
  (
    | { readonly kind: 'call'; readonly n: number; readonly does: Doing; readonly immutable: boolean }
    | { readonly kind: 'chain'; readonly steps: readonly Described[] }
    | { readonly kind: 'group'; readonly members: readonly Described[] }
    | {
        readonly kind: 'chord';
        readonly members: readonly Described[];
        readonly body: Described;
        readonly allSettled: boolean;
      }
    | { readonly kind: 'map' | 'starmap' | 'chunks'; readonly n: number; readonly items: number }
    | { readonly kind: 'replaced'; readonly n: number; readonly by: Described }
  );

/** What is called with the value, and on failure. Numbers of `heard` tasks. */
export interface Linked {
  readonly link?: readonly number[];
  readonly linkError?: readonly number[];
}

/** `flaky` fails as often as its tries allow, and then succeeds. */
export type Doing = 'mix' | 'fail' | 'flaky';

const fails = (n: number): Described => ({ kind: 'call', n, does: 'fail', immutable: false });
const mixes = (n: number): Described => ({ kind: 'call', n, does: 'mix', immutable: false });

/** What random ones have found once, of shapes that they seldom have: how often the error callback of a group runs that counts as one. */
export const found: [Described][] = [
  [
    {
      kind: 'chord',
      members: [
        {
          kind: 'chord',
          members: [],
          body: { kind: 'group', members: [fails(1), fails(2)] },
          allSettled: false,
          linkError: [0],
        },
        mixes(3),
      ],
      body: mixes(4),
      allSettled: false,
    },
  ],
  [
    {
      kind: 'chain',
      steps: [
        {
          kind: 'group',
          members: [{ kind: 'group', members: [fails(1), fails(2)] }],
          linkError: [0],
        },
        mixes(3),
      ],
    },
  ],
];

/** Workflows nested to `depth`. Print them with `JSON.stringify`: {@link signatureFor} makes the same again. */
export function workflows(depth = 4): fc.Arbitrary<Described> {
  return shapes(depth).map((shape) => numbered(shape, { next: 0 }));
}

function shapes(depth: number): fc.Arbitrary<Described> {
  const call = fc.record({
    kind: fc.constant('call' as const),
    n: fc.constant(0),
    does: fc.constantFrom<Doing>('mix', 'mix', 'mix', 'mix', 'mix', 'flaky', 'fail'),
    immutable: fc.constantFrom(false, false, false, true),
  });
  const each = fc.record({
    kind: fc.constantFrom('map' as const, 'starmap' as const, 'chunks' as const),
    n: fc.constant(0),
    items: fc.integer({ min: 0, max: 5 }),
  });
  if (depth === 0) return linked(call);
  const inner = fc.oneof({ weight: 3, arbitrary: linked(call) }, { weight: 2, arbitrary: shapes(depth - 1) });
  const members = fc.array(inner, { minLength: 0, maxLength: 3 });
  return fc.oneof(
    { weight: 2, arbitrary: linked(call) },
    { weight: 1, arbitrary: each },
    {
      weight: 4,
      arbitrary: linked(
        fc.record({
          kind: fc.constant('chain' as const),
          steps: fc.array(inner, { minLength: 1, maxLength: 4 }),
        }),
      ),
    },
    { weight: 3, arbitrary: linked(fc.record({ kind: fc.constant('group' as const), members })) },
    {
      weight: 3,
      arbitrary: linked(
        fc.record({
          kind: fc.constant('chord' as const),
          members,
          body: inner,
          allSettled: fc.constantFrom(false, false, true),
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: linked(
        fc.record({ kind: fc.constant('replaced' as const), n: fc.constant(0), by: shapes(depth - 1) }),
      ),
    },
  );
}

function linked<T extends Described>(shape: fc.Arbitrary<T>): fc.Arbitrary<Described> {
  const numbers = fc.constantFrom([], [], [], [0]);
  return fc.tuple(shape, numbers, numbers).map(([described, link, linkError]) => ({
    ...described,
    ...(link.length > 0 && endsInOne(described) && { link }),
    ...(linkError.length > 0 && { linkError }),
  }));
}

/** Nothing can be linked to what ends many times. */
export function endsInOne(described: Described): boolean {
  switch (described.kind) {
    case 'group':
    case 'chunks':
      return false;
    case 'chain':
      return described.steps.length > 0 && endsInOne(described.steps.at(-1) as Described);
    case 'chord':
      return endsInOne(described.body);
    default:
      return true;
  }
}

function numbered(described: Described, count: { next: number }): Described {
  const fresh = (): number => count.next++;
  const links = {
    ...(described.link && { link: described.link.map(fresh) }),
    ...(described.linkError && { linkError: described.linkError.map(fresh) }),
  };
  switch (described.kind) {
    case 'chain':
      return { ...described, ...links, steps: described.steps.map((step) => numbered(step, count)) };
    case 'group':
      return { ...described, ...links, members: described.members.map((member) => numbered(member, count)) };
    case 'chord':
      return {
        ...described,
        ...links,
        members: described.members.map((member) => numbered(member, count)),
        body: numbered(described.body, count),
      };
    case 'replaced':
      return { ...described, ...links, n: fresh(), by: numbered(described.by, count) };
    default:
      return { ...described, ...links, n: fresh() };
  }
}

/** What a task that mixes gives: short, and different for whatever it is given. */
export function mixed(input: unknown, n: number): number {
  let hash = 17;
  for (const letter of JSON.stringify([input, n])) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  return hash;
}

/** What an error of these tasks says. */
export function said(n: number): string {
  return `task ${n} fails`;
}

/** How a settled member is shown to what comes after it: without its id, which is random. */
export function shownSettled(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((each: Settled) => {
    if (typeof each !== 'object' || each === null || !('status' in each)) return each;
    return each.status === 'fulfilled' ? ['ok', each.value] : ['failed', each.reason.type];
  });
}

/** Told of each run: the task's number, and what it was given (not of error callbacks: an id is random). */
export type Ran = (n: number, input: unknown) => void;

/** Defines the tasks of random workflows; each tells of its runs. */
export function defineRandomTasks(app: App, ran: Ran): SignatureMaker {
  const tasks = {
    mix: app.task('random.mix', (n: number, given?: unknown): number => {
      ran(n, given ?? null);
      return mixed(given ?? null, n);
    }),
    heard: app.task('random.heard', (value: unknown, n: number) => {
      ran(n, value);
    }),
    failed: app.task('random.failed', (_id: string, n: number) => {
      ran(n, 'a failure');
    }),
    each: app.task('random.each', (item: number, n?: number): number => mixed(item, n ?? 0)),
  };
  const step = app.task('random.step', { bind: true, maxRetries: 3 }, (task, ...given: unknown[]): number => {
    const { n, does } = given.at(-1) as { n: number; does: Doing };
    const input = given.length > 1 ? shownSettled(given[0]) : null;
    if (does === 'flaky' && task.request.retries < 2) throw task.retry(new Error('again'), { countdown: 0 });
    ran(n, input);
    if (does === 'fail') throw new RangeError(said(n));
    return mixed(input, n);
  });
  const replaced = app.task('random.replaced', { bind: true }, (task, ...given: unknown[]): never => {
    const { n, by } = given.at(-1) as { n: number; by: Described };
    ran(n, null);
    const signature = make(by) as AnySignature & { clone(...args: unknown[]): AnySignature };
    throw task.replace(given.length > 1 ? signature.clone(given[0]) : signature);
  });

  function make(described: Described): AnySignature {
    let signature = bare(described);
    for (const n of described.link ?? []) signature = signature.link(tasks.heard.s(n) as never);
    for (const n of described.linkError ?? []) signature = signature.linkError(tasks.failed.s(n));
    return signature;
  }

  function bare(described: Described): AnySignature {
    switch (described.kind) {
      case 'call': {
        const { n, does, immutable } = described;
        return immutable ? step.si({ n, does }) : step.s({ n, does });
      }
      case 'chain':
        return chain(described.steps.map(make));
      case 'group':
        return group(described.members.map(make));
      case 'chord': {
        const header = described.members.map(make);
        const body = make(described.body) as never; // of unknown types all through
        return described.allSettled ? chord(header, body, { allSettled: true }) : chord(header, body);
      }
      case 'map':
        return map(tasks.each as never, itemsOf(described));
      case 'starmap':
        return starmap(tasks.each as never, itemsOf(described).map((item) => [item, described.n]) as never);
      case 'chunks':
        return chunks(tasks.each as never, itemsOf(described).map((item) => [item, described.n]) as never, 2);
      case 'replaced':
        return replaced.s({ n: described.n, by: described.by });
    }
  }
  return make;
}

export type SignatureMaker = (described: Described) => AnySignature;

/** What `map`, `starmap` and `chunks` are called with. */
export function itemsOf({ items }: { readonly items: number }): number[] {
  return Array.from({ length: items }, (_, index) => index);
}
