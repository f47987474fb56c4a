// The health of the stores: memory, connections and space, as each tells them.
import type { App } from '../../../app/app.ts';
import type { HealthFigure } from '../../../stores/store-health.ts';
import { type PagePart, part } from './part.ts';

export interface StoreHealth {
  readonly role: 'broker' | 'results';
  /** `sqlite`, `redis`, `amqp`, `postgresql`; null: the store is unreachable. */
  readonly kind: string | null;
  /** Empty: this store has no figures. */
  readonly figures: PagePart<readonly HealthFigure[]>;
}

/** All open pages share answers of this age, milliseconds. */
const freshMs = 5_000;

/** Asks the stores only when somebody looks. */
export class StoresHealth {
  readonly #app: App;
  readonly #managementUrl: string | null;
  #asked: Promise<readonly StoreHealth[]> | null = null;
  #askedAt = 0;

  constructor(app: App, managementUrl: string | null) {
    this.#app = app;
    this.#managementUrl = managementUrl;
  }

  /** Never rejects. */
  look(now = Date.now()): Promise<readonly StoreHealth[]> {
    if (this.#asked === null || now - this.#askedAt >= freshMs) {
      this.#asked = this.#ask();
      this.#askedAt = now;
    }
    return this.#asked;
  }

  async #ask(): Promise<readonly StoreHealth[]> {
    const [broker, results] = await Promise.all([part(this.#app.broker()), part(this.#app.backend())]);
    const managementUrl = this.#managementUrl;
    const asked: StoreHealth[] = [
      {
        role: 'broker',
        kind: broker.value?.name ?? null,
        figures:
          broker.value === null ? broker : await part(broker.value.health?.({ managementUrl }) ?? none()),
      },
    ];
    const backend = results.value;
    // What is kept in the store of the messages was told with it; an unreachable store of results shows elsewhere.
    if (backend?.health !== undefined && backend.store !== broker.value?.store)
      asked.push({ role: 'results', kind: backend.name, figures: await part(backend.health()) });
    return asked;
  }
}

async function none(): Promise<readonly HealthFigure[]> {
  return [];
}
