// The web server, with sample data, so that there is something to look at: one user with two months of work, if there is no user yet.
// `node --import tsx dev/seed.ts`

import { scheduleCleanups } from '../server/chores.ts';
import { change, database, migrate } from '../server/database.ts';
import { planReminder } from '../server/reminders.ts';
import { register } from '../server/users.ts';
import type { Status } from '../shared/kinds.ts';

const demo = { email: 'ada@example.com', password: 'analytical engine' } as const;

const verbs = [
  'Review',
  'Write',
  'Fix',
  'Plan',
  'Test',
  'Translate',
  'Measure',
  'Order',
  'Describe',
  'Simplify',
];
const things = [
  'the release notes',
  'the import of old invoices',
  'the start page',
  'the search',
  'the backup of the archive',
  'the budget for spring',
  'the letter to the printers',
  'the drawings of the mill',
  'the table of numbers',
  'the login page',
  'the onboarding of new people',
];
const hourMs = 3_600_000;

async function seed(): Promise<void> {
  const { users } = await database
    .selectFrom('users')
    .select(({ fn }) => fn.countAll<number>().as('users'))
    .executeTakeFirstOrThrow();
  if (users > 0) return;
  const ada = await register({ ...demo, name: 'Ada Lovelace', timezone: 'Europe/London' });
  if (ada === undefined) return; // another process was first
  const now = Date.now();
  const at = (hours: number): string => new Date(now + hours * hourMs).toISOString();
  await change(ada.id, async (writing) => {
    for (let n = 0; n < 90; n++) {
      const bornHoursAgo = 24 * 45 * (1 - n / 90) ** 1.2 + (n % 7);
      const status: Status = n % 10 < 7 && n < 68 ? 'done' : n % 5 === 0 ? 'doing' : 'todo';
      const took = Math.min(bornHoursAgo * 0.9, 8 + ((n * 37) % 160));
      const row = await writing
        .insertInto('tasks')
        .values({
          owner_id: ada.id,
          title: `${verbs[n % verbs.length]} ${things[(n * 7) % things.length]}`,
          description: n % 4 === 0 ? 'Agreed on in the meeting; ask Charles about the details.' : '',
          status,
          priority: [1, 2, 0, 1, 3, 1, 2][n % 7] ?? 1,
          deadline: n % 6 === 5 ? null : at(status === 'done' ? 60 - bornHoursAgo : ((n * 29) % 320) - 30),
          created_at: at(-bornHoursAgo),
          updated_at: at(-bornHoursAgo / 2),
          completed_at: status === 'done' ? at(took - bornHoursAgo) : null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      await planReminder(writing, row);
    }
  });
  await scheduleCleanups();
}

await migrate();
await seed();
console.log(`Mails ${process.env.MAIL_PAGE ?? process.env.SMTP_URL}`);
console.log(`Sign in as ${demo.email}, password: ${demo.password}`);
await import('../server/main.ts');
