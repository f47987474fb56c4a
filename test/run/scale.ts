// How much is tried. The default run proves each thing once, with the same seed each time, so that what was green stays green;
// `npm run test:long` tries much more, with a seed of its own that it prints.

/** Whether this is the long run. */
export const isLong: boolean = process.env.UMBEL_LONG === '1';

/** For `needs`: why what the default run proves elsewhere is skipped there. */
export const inLongRun: string | undefined = isLong ? undefined : 'in the long run: npm run test:long';

/** Of two amounts the one for this run: rounds, seeds, kills. */
export function scaled(smoke: number, long: number): number {
  return isLong ? long : smoke;
}

/** What random choices start from; a failure is run again with the printed one: `UMBEL_SEED=…`. */
export const seed: number = Number(process.env.UMBEL_SEED ?? 1);
