// Unique tasks that end in all ways; loaded by the test, and again by each child of a pool.
import { App } from '../../src/app/app.ts';
import { Ignore, Reject } from '../../src/app/running/outcome.ts';

export function withUniqueTasks(app: App): App {
  app.task('unique.ends', { bind: true, unique: { key: 0 } }, (task, how: string) => {
    if (how === 'badly') throw new RangeError('badly');
    if (how === 'ignored') throw new Ignore();
    if (how === 'rejected') throw new Reject('not for me');
    if (how === 'retries') throw task.retry({ countdown: 600 });
    return how;
  });
  const only = app.task('unique.only', { unique: { key: 0 } }, (_: string) => 1);
  app.task('unique.parent', async () => {
    await only.applyAsync(['x'], { countdown: 600 });
    try {
      await only.delay('x');
      return 'sent twice';
    } catch (error) {
      const { code, existingId } = error as { code: string; existingId: string }; // DuplicateTaskError
      return `${code} ${existingId}`;
    }
  });
  return app;
}

export const app = withUniqueTasks(new App('unique', { broker: 'memory://' }));
