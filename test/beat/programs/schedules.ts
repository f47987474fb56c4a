/** The intervals of the beat under test, in milliseconds. Those that are `quiet` keep no results. */
export const intervalsMs: Readonly<Record<string, number>> = {
  fast: 200,
  'quiet-fast': 300,
  one: 1000,
  'quiet-one': 1000,
  odd: 1700,
  two: 2000,
  three: 3100,
  five: 5000,
};
