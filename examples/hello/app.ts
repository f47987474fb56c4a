import { App } from 'umbel';

/** No URL: the embedded store, `./.umbel/store.db`. */
export const app: App = new App('hello');

export const add = app.task('hello.add', (x: number, y: number) => x + y);

export const greet = app.task('hello.greet', async (name: string) => `Hello, ${name}!`);
