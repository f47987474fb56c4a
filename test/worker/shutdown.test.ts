import { afterEach, describe, expect, it } from 'vitest';
import { onShutdownSignal } from '../../src/worker/shutdown.ts';

const taken: Disposable[] = [];
afterEach(() => {
  for (const handlers of taken.splice(0)) handlers[Symbol.dispose]();
});

function listen(): string[] {
  const asked: string[] = [];
  taken.push(onShutdownSignal((kind, signal) => asked.push(`${signal} ${kind}`)));
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

  it('that arrives twice at once, as Ctrl-C through a parent does, is one', () => {
    const asked = listen();
    raise('SIGINT');
    raise('SIGINT');
    expect(asked).toEqual(['SIGINT warm']);
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
