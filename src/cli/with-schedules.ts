// Commands that change or show an application's schedules.
import type { Schedules } from '../beat/beat.ts';
import { type CommonOptions, requireSharedStore, type Session, withApp } from './common.ts';
import { UsageError } from './usage.ts';

/** Opens the schedules for one command. @throws UsageError without an application, or with a store that no other process sees */
export async function withSchedules(
  options: CommonOptions,
  work: (schedules: Schedules, session: Session) => Promise<void>,
): Promise<void> {
  await withApp(options, async (session) => {
    if (!session.loaded)
      throw new UsageError(
        'schedules belong to an application: -A ./app.ts (the module that exports your App)',
      );
    requireSharedStore(session.app);
    const { Schedules } = await import('../beat/beat.ts');
    await using schedules = await Schedules.open(session.app);
    await work(schedules, session);
  });
}
