// Commands that change or show an application's schedules.
import type { Schedules } from '../beat/beat.ts';
import { type CommonOptions, requireApp, requireSharedStore, type Session, withApp } from './common.ts';

/** Opens the schedules for one command. @throws UsageError without an application, or with a store that no other process sees */
export async function withSchedules(
  options: CommonOptions,
  work: (schedules: Schedules, session: Session) => Promise<void>,
): Promise<void> {
  await withApp(requireApp(options), async (session) => {
    requireSharedStore(session.app);
    const { Schedules } = await import('../beat/beat.ts');
    await using schedules = await Schedules.open(session.app);
    await work(schedules, session);
  });
}
