import { App } from 'umbel';
import { place } from './tasks.ts';

export const app = new App('bundled', { broker: `sqlite://${import.meta.dirname}/store.db` });
export const where = app.task('where', (number: number) => ({ number, place: place() }));
