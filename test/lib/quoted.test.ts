import fc from 'fast-check';
import { expect, it } from 'vitest';
import { quoted } from '../../src/lib/quoted.ts';

it('is what JSON.stringify says, of any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (one, other) => {
      for (const text of [one, other, `${other}"\\\n\u2028\ud800`])
        expect(quoted(text)).toBe(JSON.stringify(text));
    }),
  );
});
