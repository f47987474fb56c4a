// Metrics in Prometheus's text format (0.0.4). Our own, since the well-kept library brings OpenTelemetry's interface along, which a user of
// metrics need not have.

/** The values of a metric's labels, in their order. */
type Labels = readonly string[];

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  lines(): Iterable<string>;
}

export class MetricRegistry {
  readonly #metrics: Metric[] = [];
  readonly #maxSeries: number;

  /**
   * @param maxSeries combinations of labels that a metric may have. Beyond these, all share the value `other`: a server must not grow with
   * what others name.
   */
  constructor(maxSeries: number = 1_000) {
    this.#maxSeries = maxSeries;
  }

  counter(name: string, help: string, labels: Labels = []): Counter {
    return this.#add(new Counter(name, help, labels, this.#maxSeries));
  }

  /** @param read called at each scrape: the value, or the values with their labels */
  gauge(
    name: string,
    help: string,
    labels: Labels,
    read: () => number | readonly (readonly [number, Labels])[],
  ): void {
    this.#metrics.push({
      name,
      help,
      type: 'gauge',
      *lines() {
        const found = read();
        const values = typeof found === 'number' ? [[found, []] as const] : found;
        for (const [value, given] of values) yield line(name, labels, given, value);
      },
    });
  }

  /** @param buckets upper bounds, rising */
  histogram(name: string, help: string, labels: Labels, buckets: readonly number[]): Histogram {
    return this.#add(new Histogram(name, help, labels, buckets, this.#maxSeries));
  }

  /** All metrics as text. */
  text(): string {
    const lines: string[] = [];
    for (const metric of this.#metrics) {
      const { name, help, type } = metric;
      lines.push(`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...metric.lines());
    }
    return `${lines.join('\n')}\n`;
  }

  #add<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }
}

/** What a program measures of itself, from `start` to `stop`. */
export interface Measurements {
  start(): void;
  stop(): void;
  /** All metrics, in Prometheus's text format. */
  text(): string;
}

/** The content type of {@link MetricRegistry.text}. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** One value for each combination of labels. */
class Series<Value> {
  readonly #byLabels = new Map<string, { readonly labels: Labels; readonly value: Value }>();
  readonly #make: () => Value;
  readonly #max: number;

  constructor(max: number, make: () => Value) {
    this.#max = max;
    this.#make = make;
  }

  at(labels: Labels): Value {
    const key = labels.join('\0');
    const found = this.#byLabels.get(key);
    if (found !== undefined) return found.value;
    if (this.#byLabels.size >= this.#max && labels.some((label) => label !== other))
      return this.at(labels.map(() => other));
    const value = this.#make();
    this.#byLabels.set(key, { labels, value });
    return value;
  }

  values(): Iterable<{ readonly labels: Labels; readonly value: Value }> {
    return this.#byLabels.values();
  }

  forget(isGone: (labels: Labels) => boolean): void {
    for (const [key, { labels }] of this.#byLabels) if (isGone(labels)) this.#byLabels.delete(key);
  }
}

const other = 'other';

class Counter implements Metric {
  readonly type = 'counter';
  readonly name: string;
  readonly help: string;
  readonly #labels: Labels;
  readonly #series: Series<{ count: number }>;

  constructor(name: string, help: string, labels: Labels, maxSeries: number) {
    this.name = name;
    this.help = help;
    this.#labels = labels;
    this.#series = new Series(maxSeries, () => ({ count: 0 }));
  }

  add(...labels: Labels): void {
    this.#series.at(labels).count++;
  }

  increase(by: number, ...labels: Labels): void {
    this.#series.at(labels).count += by;
  }

  /** Makes the series, with the value 0 if it is new: a rate needs a value before the first count. */
  touch(...labels: Labels): void {
    this.#series.at(labels);
  }

  /** Deletes the counts with labels that will not come again. */
  forget(isGone: (labels: Labels) => boolean): void {
    this.#series.forget(isGone);
  }

  *lines(): Iterable<string> {
    for (const { labels, value } of this.#series.values())
      yield line(this.name, this.#labels, labels, value.count);
  }
}

class Histogram implements Metric {
  readonly type = 'histogram';
  readonly name: string;
  readonly help: string;
  readonly #labels: Labels;
  readonly #buckets: readonly number[];
  readonly #series: Series<{ readonly counts: number[]; sum: number; count: number }>;

  constructor(name: string, help: string, labels: Labels, buckets: readonly number[], maxSeries: number) {
    this.name = name;
    this.help = help;
    this.#labels = labels;
    this.#buckets = buckets;
    this.#series = new Series(maxSeries, () => ({ counts: buckets.map(() => 0), sum: 0, count: 0 }));
  }

  observe(observed: number, ...labels: Labels): void {
    const value = this.#series.at(labels);
    value.sum += observed;
    value.count++;
    const at = this.#buckets.findIndex((bound) => observed <= bound);
    if (at >= 0) value.counts[at] = (value.counts[at] ?? 0) + 1;
  }

  /** Deletes what was observed with labels that will not come again. */
  forget(isGone: (labels: Labels) => boolean): void {
    this.#series.forget(isGone);
  }

  *lines(): Iterable<string> {
    const names = [...this.#labels, 'le'];
    for (const { labels, value } of this.#series.values()) {
      let below = 0;
      for (const [at, bound] of this.#buckets.entries()) {
        below += value.counts[at] ?? 0;
        yield line(`${this.name}_bucket`, names, [...labels, boundOf(bound)], below);
      }
      yield line(`${this.name}_bucket`, names, [...labels, '+Inf'], value.count);
      yield line(`${this.name}_sum`, this.#labels, labels, value.sum);
      yield line(`${this.name}_count`, this.#labels, labels, value.count);
    }
  }
}

function line(name: string, names: Labels, values: Labels, value: number): string {
  const labels = names.map((label, at) => `${label}="${escaped(values[at] ?? '').replaceAll('"', '\\"')}"`);
  return `${name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${shown(value)}`;
}

/** As Python's library writes it, `1.0`: series of both are the same. */
function boundOf(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function shown(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
