// The figures of a store's health, for people who look at them.

/** One figure: `memory`, `connections`. */
export interface HealthFigure {
  /** For people. */
  readonly name: string;
  /** Null: it is unknown, and `note` says why. */
  readonly value: number | null;
  readonly unit: 'bytes' | 'number';
  /** The most it may be (for free space: the size of the whole); null: there is no limit, or it is unknown. */
  readonly limit: number | null;
  /** What there is to say about it; empty: nothing. */
  readonly note: string;
  /** `danger`: messages may be refused or lost now. `warning`: soon, or under load. */
  readonly level: 'fine' | 'warning' | 'danger';
}

export interface StoreHealthOptions {
  /** The address of the broker's own HTTP API, for what it tells only there: `http://guest:guest@localhost:15672/api` of RabbitMQ. */
  readonly managementUrl: string | null;
}

/** A figure about which there is nothing to say. */
export function figure(
  name: string,
  value: number,
  unit: HealthFigure['unit'],
  { limit = null, note = '', level = 'fine' }: Partial<HealthFigure> = {},
): HealthFigure {
  return { name, value, unit, limit, note, level };
}

/** A figure that cannot be known. */
export function unknownFigure(
  name: string,
  unit: HealthFigure['unit'],
  why: string,
  level: HealthFigure['level'] = 'fine',
): HealthFigure {
  return { name, value: null, unit, limit: null, note: why, level };
}

/** The level of something that fills up to its limit. */
export function fullness(value: number, limit: number | null): HealthFigure['level'] {
  if (limit === null || limit <= 0) return 'fine';
  return value >= 0.95 * limit ? 'danger' : value >= 0.8 * limit ? 'warning' : 'fine';
}
