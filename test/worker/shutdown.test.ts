import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onShutdownSignal } from '../../src/worker/shutdown.ts';

const taken: Disposable[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => {
  for (const handlers of taken.splice(0)) handlers[Symbol.dispose]();
  vi.useRealTimers();
});

function listen(soft = false): string[] {
  const asked: string[] = [];
  taken.push(onShutdownSignal((stage, signal) => asked.push(`${signal} ${stage}`), soft));
  return asked;
}

const raise = (signal: NodeJS.Signals): boolean => process.emit(signal, signal);

describe('a signal', () => {
  it('asks for a warm shutdown, the next for a cold one', () => {
    const asked = listen();
    raise('SIGTERM');
    raise('SIGINT');
    expect(asked).toEqual(['SIGTERM warm', 'SIGINT cold']);
  });

  it('SIGQUIT asks for a cold one at once', () => {
    const asked = listen();
    raise('SIGQUIT');
    expect(asked).toEqual(['SIGQUIT cold']);
  });

  it('where there is a soft shutdown, asks for warm, soft, cold, one after another', () => {
    const asked = listen(true);
    raise('SIGTERM');
    raise('SIGQUIT');
    raise('SIGINT');
    expect(asked).toEqual(['SIGTERM warm', 'SIGQUIT soft', 'SIGINT cold']);
  });

  it('SIGQUIT asks for a soft one where there is one', () => {
    const asked = listen(true);
    raise('SIGQUIT');
    raise('SIGTERM');
    expect(asked).toEqual(['SIGQUIT soft', 'SIGTERM cold']);
  });

  it('SIGHUP ends a worker warmly, and hastens none that ends', () => {
    const asked = listen();
    raise('SIGHUP');
    raise('SIGHUP');
    raise('SIGTERM');
    expect(asked).toEqual(['SIGHUP warm', 'SIGTERM cold']);
  });

  it('SIGTERM is a SIGQUIT with REMAP_SIGTERM=SIGQUIT, as in Celery', () => {
    vi.stubEnv('REMAP_SIGTERM', 'SIGQUIT');
    const asked = listen(true);
    vi.unstubAllEnvs();
    raise('SIGTERM');
    expect(asked).toEqual(['SIGTERM soft']);
  });

  it('that arrives twice at once, as Ctrl-C through a parent does, is one', () => {
    const asked = listen();
    raise('SIGINT');
    vi.advanceTimersByTime(199);
    raise('SIGINT');
    expect(asked).toEqual(['SIGINT warm']);
    vi.advanceTimersByTime(200);
    raise('SIGINT');
    expect(asked).toEqual(['SIGINT warm', 'SIGINT cold']);
  });

  it('after a cold one finds the default handlers again', () => {
    listen();
    const before = process.listenerCount('SIGINT');
    raise('SIGTERM');
    expect(process.listenerCount('SIGINT')).toBe(before);
    raise('SIGQUIT');
    expect(process.listenerCount('SIGINT')).toBe(before - 1);
  });
});

it('the handlers are gone when they are disposed of', () => {
  const before = process.listenerCount('SIGTERM');
  listen();
  expect(process.listenerCount('SIGTERM')).toBe(before + 1);
  for (const handlers of taken.splice(0)) handlers[Symbol.dispose]();
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
