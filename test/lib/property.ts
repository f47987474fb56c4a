// fast-check with the run's seed: the default run tries the same values each time, the long run others.
import fc from 'fast-check';
import { seed } from '../run/scale.ts';

fc.configureGlobal({ seed });

export { fc };
