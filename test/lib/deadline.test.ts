import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { atMost, withDeadline } from '../../src/lib/deadline.ts';
import { busy } from '../busy.ts';

describe('at most so long', () => {
  /** The clock, and what became of each of its timers. */
  function watched(): { clock: Parameters<typeof atMost>[2]; signals: AbortSignal[] } {
    const signals: AbortSignal[] = [];
    const clock = {
      sleep(ms: number, signal?: AbortSignal): Promise<void> {
        if (signal !== undefined) signals.push(signal);
        return systemClock.sleep(ms, signal);
      },
    };
    return { clock, signals };
  }

  it('says whether the work came to its end, and leaves no timer', async () => {
    const { clock, signals } = watched();
    expect(await atMost(60_000, Promise.resolve('any'), clock)).toBe(true);
    expect(await atMost(1, new Promise(() => undefined), clock)).toBe(false);
    await expect(atMost(60_000, Promise.reject(new Error('no')), clock)).rejects.toThrow('no');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });
});

describe('a deadline', () => {
  it('passes on what comes in time, and what the work throws', async () => {
    const late = (): Error => new Error('late');
    expect(await withDeadline(60_000, Promise.resolve(1), late)).toBe(1);
    await expect(withDeadline(60_000, Promise.reject(new Error('no')), late)).rejects.toThrow('no');
  });

  it('ends a wait that is too long with its own error; what comes later harms nobody', async () => {
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    await expect(withDeadline(1, work, () => new Error('late'))).rejects.toThrow('late');
    fail(new Error('nobody hears this'));
    await new Promise((resolve) => setImmediate(resolve)); // an unhandled rejection would fail the file
  });

  it('is never early, so that nothing is begun again in what is left of its time', async () => {
    for (const ms of [1, 7.3, 23.9]) {
      const begun = performance.now();
      await expect(withDeadline(ms, new Promise(() => undefined), () => new Error('late'))).rejects.toThrow(
        'late',
      );
      expect(performance.now() - begun >= ms).toBe(true);
    }
  });

  it('hears what arrived while the process was busy with something else', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [peer] = await once(server, 'connection');
    onTestFinished(() => {
      socket.destroy();
      peer.destroy();
      server.close();
    });
    const heard = withDeadline(10, once(socket, 'data').then(String), () => new Error('late'));
    peer.write('here');
    busy(50);
    expect(await heard).toBe('here');
  });
});
