// The TypeScript half of a workflow in two languages.
import { App, chain, chord, group, type Signature } from 'umbel';

export const app: App = new App('two-languages', {
  broker: process.env.UMBEL_BROKER_URL ?? 'redis://localhost:6379/0',
  backend: process.env.UMBEL_RESULT_BACKEND ?? 'redis://localhost:6379/1',
  taskDefaultQueue: 'typescript',
});

/** In this program. */
export const measure = app.task('ts.measure', (text: string) => text.length);
export const describe = app.task('ts.describe', (mean: number) => `mean of squares: ${mean}`);

/** In Python: TypeScript has only their types. */
export const square = app.remote<(n: number) => number>('py.square', { queue: 'python' });
export const mean = app.remote<(numbers: readonly number[]) => number>('py.mean', { queue: 'python' });

/** TypeScript measures each text, Python squares the numbers and takes their mean, TypeScript describes it. */
export function report(texts: readonly string[]): Signature<[], string> {
  return chord(group(texts.map((text) => chain(measure.s(text), square.s()))), chain(mean.s(), describe.s()));
}
