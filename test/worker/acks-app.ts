// Tasks whose code ends badly; loaded by the test, and again by each child of a pool.
import { App } from '../../src/app/app.ts';
import { Reject } from '../../src/app/running/outcome.ts';

export function withTasks(app: App): App {
  const runs = new Map<string, number>();
  const count = (name: string): number => {
    const now = (runs.get(name) ?? 0) + 1;
    runs.set(name, now);
    return now;
  };
  app.task('fails.first', { acksOnFailure: false }, (name: string) => {
    if (count(name) === 1) throw new RangeError('the first time');
    return 'the second time';
  });
  app.task('slow.first', { acksOnTimeout: false, timeLimit: 0.2 }, (name: string) =>
    count(name) === 1 ? new Promise(() => undefined) : 'the second time',
  );
  app.task('slow.always', { acksOnTimeout: false, timeLimit: 0.1 }, () => new Promise(() => undefined));
  app.task('dies', { rejectOnWorkerLost: false }, () => process.exit(3));
  app.task('early', { acksLate: false, acksOnFailure: false, bind: true }, (task) => {
    runs.set(task.request.id, 1);
    throw new RangeError('after the acknowledgement');
  });
  app.task('early.rejected', { acksLate: false }, () => {
    throw new Reject('not for me');
  });
  return app;
}

export const app = withTasks(new App('acks', { broker: 'memory://' }));
