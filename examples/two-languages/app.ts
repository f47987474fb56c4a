// The TypeScript half of a workflow whose steps live in two languages.
import { App, chain, chord, group, type Signature } from 'umbel';

export const app: App = new App('two-languages', {
  broker: process.env.UMBEL_BROKER_URL ?? 'redis://localhost:6379/0',
  backend: process.env.UMBEL_RESULT_BACKEND ?? 'redis://localhost:6379/1',
  taskDefaultQueue: 'typescript',
});

/** Here. */
export const measure = app.task('ts.measure', (text: string) => text.length);
export const describe = app.task('ts.describe', (mean: number) => `mean of squares: ${mean}`);

/** In Python: their types are what we say they are. */
export const square = app.remote<(n: number) => number>('py.square', { queue: 'python' });
export const mean = app.remote<(numbers: readonly number[]) => number>('py.mean', { queue: 'python' });

/** Each text is measured here and squared there; the mean is taken there, and described here. */
export function report(texts: readonly string[]): Signature<[], string> {
  return chord(group(texts.map((text) => chain(measure.s(text), square.s()))), chain(mean.s(), describe.s()));
}
