import { describe } from 'vitest';
import { openMemoryBackend } from '../../src/results/memory/memory-backend.ts';
import { backendConformance } from '../../src/testing/backend-suite.ts';
import { transportConformance } from '../../src/testing/transport-suite.ts';
import { MemoryConsumer, openMemoryTransport } from '../../src/transports/memory/memory-transport.ts';
import { cases, Opened } from './run.ts';

let stores = 0;

describe('memory transport', () => {
  const features = openMemoryTransport('features').features;
  cases(transportConformance, features, () => {
    const opened = new Opened();
    const name = `conformance-${++stores}`;
    return {
      opened,
      harness: {
        open: async () => opened.add(openMemoryTransport(name)),
        openBackend: async (_, options) => opened.add(openMemoryBackend(name, options)),
        putRaw: async (queue, raw) => opened.add(openMemoryTransport(name)).putRaw(queue, raw),
        kill: async (consumer) => {
          if (!(consumer instanceof MemoryConsumer)) throw new TypeError('not a consumer of this driver');
          consumer.die();
        },
      },
    };
  });
});

describe('memory result backend', () => {
  const features = openMemoryBackend('features', { expiresMs: null }).features;
  cases(backendConformance, features, () => {
    const opened = new Opened();
    const name = `conformance-${++stores}`;
    return { opened, harness: { open: async (options) => opened.add(openMemoryBackend(name, options)) } };
  });
});
