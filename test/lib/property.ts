// fast-check with the run's seed: the default run tries the same values each time, the long run others.
import fc from 'fast-check';
import { seed } from '../run/scale.ts';

fc.configureGlobal({ seed });

export { fc };

/** Text of any characters that there are. fast-check's own takes half a second until it has the first. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.nat(0x10ffff - 0x800).map((n) => String.fromCodePoint(n < 0xd800 ? n : n + 0x800)), // no surrogates
});
