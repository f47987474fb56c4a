// The conformance cases of pauses, for stores of messages and of results.
import assert from 'node:assert/strict';
import type { Pause, PauseStore } from '../stores/pauses.ts';

interface KeepsPauses {
  openPauses?(): Promise<PauseStore>;
}

/** The title and the body of a case with two handles on one store. A store that does not store pauses passes. */
export const pauseCase = {
  title: 'a pause is stored until it is resumed, and a second pause keeps the time of the first',
  async run(open: () => Promise<KeepsPauses>): Promise<void> {
    const [one, other] = [await (await open()).openPauses?.(), await (await open()).openPauses?.()];
    if (one === undefined || other === undefined) return;
    const since = new Date(1_700_000_000_123);
    const mail: Pause = { kind: 'queue', name: 'mail: größer 🌱', since, by: 'ann@here', reason: '' };
    const task: Pause = {
      kind: 'task',
      name: 'mail: größer 🌱',
      since,
      by: 'bob@there',
      reason: 'line 1\nline 2',
    };
    assert.deepEqual(await one.read(), []);
    await one.put(task);
    await one.put({ ...mail, name: 'a' });
    await one.put(mail);
    assert.deepEqual(await other.read(), [{ ...mail, name: 'a' }, mail, task]);
    await other.put({ ...mail, since: new Date(), by: 'eve', reason: 'again' });
    assert.deepEqual(await one.read(), [
      { ...mail, name: 'a' },
      { ...mail, by: 'eve', reason: 'again' },
      task,
    ]);
    await other.remove('queue', 'a');
    await other.remove('queue', mail.name);
    await other.remove('queue', 'nobody paused it');
    assert.deepEqual(await one.read(), [task]);
    await one.remove('task', task.name);
    assert.deepEqual(await other.read(), []);
  },
};
