// Tasks that run too long in different ways; loaded by the test, and again by each child of a pool.
import { pbkdf2Sync } from 'node:crypto';
import { App } from '../../../src/app/app.ts';

export function withSlowTasks(app: App): App {
  /** Until it is asked to stop: says why. */
  const untilAsked = (task: { readonly signal: AbortSignal }): Promise<string> =>
    new Promise((resolve) => {
      task.signal.addEventListener('abort', () => {
        const { name, seconds } = task.signal.reason as Error & { seconds?: number }; // always one of ours
        resolve(`${name} ${seconds}`);
      });
    });
  app.task('slow.plain', { bind: true }, untilAsked);
  app.task('slow.soft', { bind: true, softTimeLimit: 0.2 }, untilAsked);
  app.task('slow.hard', { timeLimit: 0.2 }, () => new Promise(() => undefined));
  app.task('slow.any', () => new Promise(() => undefined));
  app.task('slow.busy', { timeLimit: 0.3 }, () => {
    for (;;);
  });
  app.task('slow.native', { timeLimit: 0.3 }, () => pbkdf2Sync('a', 'b', 1_500_000, 64, 'sha512').length);
  app.task('quick', () => 'quick');
  return app;
}

export const app = withSlowTasks(new App('limits', { broker: 'memory://' }));
