// An application as a user has it in TypeScript: read as it is by each child of a pool.
import { App } from 'umbel';

export const app: App = new App('typescript', { broker: 'memory://' });

app.task('typescript.add', (x: number, y: number) => x + y);
