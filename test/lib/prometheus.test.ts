import { expect, test } from 'vitest';
import { MetricRegistry } from '../../src/lib/prometheus.ts';

test('counters, gauges and histograms are shown as Prometheus reads them', () => {
  const registry = new MetricRegistry();
  const counter = registry.counter('runs_total', 'Runs,\nall of them.', ['task', 'queue']);
  counter.add('say "hi"', 'a\\b\nc');
  counter.add('say "hi"', 'a\\b\nc');
  registry.gauge('slots', 'Slots.', [], () => 4);
  registry.gauge('delay', 'Delay.', ['quantile'], () => [
    [0.5, ['0.99']],
    [Number.POSITIVE_INFINITY, ['1']],
  ]);
  const histogram = registry.histogram('seconds', 'Seconds.', ['task'], [0.1, 1]);
  for (const seconds of [0.1, 0.5, 7]) histogram.observe(seconds, 'add');
  expect(registry.text()).toBe(
    [
      '# HELP runs_total Runs,\\nall of them.',
      '# TYPE runs_total counter',
      'runs_total{task="say \\"hi\\"",queue="a\\\\b\\nc"} 2',
      '# HELP slots Slots.',
      '# TYPE slots gauge',
      'slots 4',
      '# HELP delay Delay.',
      '# TYPE delay gauge',
      'delay{quantile="0.99"} 0.5',
      'delay{quantile="1"} +Inf',
      '# HELP seconds Seconds.',
      '# TYPE seconds histogram',
      'seconds_bucket{task="add",le="0.1"} 1',
      'seconds_bucket{task="add",le="1.0"} 2',
      'seconds_bucket{task="add",le="+Inf"} 3',
      'seconds_sum{task="add"} 7.6',
      'seconds_count{task="add"} 3',
      '',
    ].join('\n'),
  );
});

test('labels that others name do not make it grow for ever', () => {
  const registry = new MetricRegistry();
  const counter = registry.counter('runs_total', 'Runs.', ['task']);
  for (let n = 0; n < 5_000; n++) counter.add(`task ${n}`);
  const lines = registry.text().split('\n');
  expect(lines.length).toBeLessThan(1_010);
  expect(lines).toContain('runs_total{task="other"} 4000');
});
