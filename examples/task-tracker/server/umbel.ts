// The application that all tasks belong to. They are defined where their work is: app.ts names these files.
import { App } from 'umbel';
import { settings } from './settings.ts';

export const app: App = new App('task-tracker', {
  broker: settings.broker,
  brokerPassword: settings.broker === settings.REDIS_URL ? settings.REDIS_PASSWORD : null,
  backend: settings.backend,
  resultBackendPassword: settings.REDIS_PASSWORD,
  taskSoftTimeLimit: '4m',
  taskTimeLimit: '5m',
});

/** A database that is away comes back: tried again after about 1, 2, 4 … seconds. */
export const again = { autoretryFor: [Error], maxRetries: 5, retryBackoff: true } as const;

/** A mail that was promised is sent, some day: at the end once a minute. */
export const patiently = { ...again, maxRetries: null, retryBackoffMax: 60 } as const;
