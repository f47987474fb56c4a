// What must compile of schedules, and what must not: each `@ts-expect-error` says why. Checked by the compiler alone, never run.
import { App, chain, crontab, every, group, type Schedule, solar } from '../../src/index.ts';

export const app = new App('types', {
  beatSchedule: {
    a: { task: 'shop.check', schedule: 30, args: [1], options: { queue: 'slow' } },
    b: { task: 'shop.check', schedule: crontab({ minute: 0 }), missed: 'all' },
    // @ts-expect-error there is no such rule
    c: { task: 'shop.check', schedule: 30, missed: 'some' },
    // @ts-expect-error it says no time
    d: { task: 'shop.check' },
  },
});
const add = app.task('add', (x: number, y: number) => x + y);
const own: Schedule = { next: (after) => new Date(after.getTime() + 1), toString: () => 'own' };

app.schedule('a', 60, 'shop.check', { args: [1, 'two'], queue: 'slow', missed: 'skip', jitter: '10s' });
app.schedule('b', '10m', add, { args: [1, 2] });
app.schedule('b2', '0 3 * * *', add, { args: [1, 2] });
// @ts-expect-error neither a duration nor a crontab
app.schedule('b3', '10 minutes', add, { args: [1, 2] });
app.schedule('c', crontab('0 3 * * *', { timezone: 'UTC' }), add.s(1, 2));
app.schedule('d', every('1h', { relative: true }), chain(add.s(1, 2), add.s(3)));
app.schedule('e', solar('sunset', 52.5, 13.4), group([add.s(1, 2), add.si(3, 4)]));
app.schedule('f', own, { task: add, args: ({ due, taskId }) => [due.getTime(), taskId.length] });
app.addPeriodicTask(30, add.s(1, 2), { name: 'named' });

// @ts-expect-error an argument is missing, and nothing comes before it
app.schedule('g', 60, add.s(1));
// @ts-expect-error the last step waits for nothing, but the first for an argument
app.schedule('h', 60, chain(add.s(1), add.s(3)));
// @ts-expect-error there is no such event
app.schedule('i', solar('noon', 1, 2), 'shop.check');
// @ts-expect-error an id is of one call
app.schedule('j', 60, 'shop.check', { taskId: 'x' });
// @ts-expect-error a schedule of one's own says when it is due next
app.schedule('k', { toString: () => 'never' }, 'shop.check');
