// The figures of a run as tables: text for a screen, markdown for docs/benchmarks.md.
import { quantile } from './takes.mjs';

/** `[heads, ...rows]` of a stage: what, ours, then each peer and how many times better than it we are. */
export function table({ stage, systems, samples }) {
  const [first, ...rest] = systems;
  const ours = first?.name === 'umbel' ? first : null;
  const heads = [
    '',
    ...systems.flatMap((system) => (ours && system !== ours ? [system.head, 'ratio'] : [system.head])),
  ];
  const rows = stage.rows.map((row) => {
    const middle = ({ name }) => median(samples, row.key, name);
    const cells = [...(ours ? [ours] : [first]), ...rest].flatMap((system) => {
      const figure = written(row, middle(system));
      return ours && system !== ours ? [figure, ratio(row, middle(ours), middle(system))] : [figure];
    });
    return [row.title, ...cells];
  });
  return [heads, ...rows];
}

/** `[heads, ...rows]`: which aims are reached, and by how much not. */
export function aimsTable(aims, stages) {
  const rows = aims.flatMap((aim) => {
    const taken = stages.find(({ stage }) => stage.name === aim.stage);
    const row = taken?.stage.rows.find(({ key }) => key === aim.key);
    const is = row && median(taken.samples, row.key, 'umbel');
    const other = aim.of && row && median(taken.samples, row.key, aim.of);
    if (!Number.isFinite(is) || (aim.of && !Number.isFinite(other))) return [];
    const { wanted, reached, share } = judged(aim, row, is, other, taken);
    const verdict = share >= 1 ? 'reached' : `missed by ${Math.ceil((1 - share) * 100)} %`;
    return [[`${taken.stage.title}: ${row.title.trim()}`, wanted, reached, verdict]];
  });
  return [['work', 'aim', 'here', ''], ...rows];
}

export function asText(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  return rows
    .map((cells) =>
      cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('   '),
    )
    .join('\n');
}

export function asMarkdown(rows) {
  const [heads, ...body] = rows;
  const line = (cells) => `| ${cells.map((cell) => cell.trim()).join(' | ')} |`;
  return [line(heads), `|---|${'---:|'.repeat(heads.length - 1)}`, ...body.map(line)].join('\n');
}

function judged(aim, row, is, other, { systems }) {
  const low = row.better === 'low';
  if (aim.of) {
    const times = low ? other / is : is / other;
    const head = systems.find(({ name }) => name === aim.of).head;
    const wanted = low
      ? `at most ${aim.times === 1 ? 'that' : `1/${aim.times}`} of ${head}`
      : `${aim.times} x ${head}`;
    return {
      wanted,
      reached: low ? `1/${times.toFixed(1)}` : `${times.toFixed(1)} x`,
      share: times / aim.times,
    };
  }
  const bound = aim.most ?? aim.least;
  return {
    wanted: `${aim.most === undefined ? 'at least' : 'at most'} ${written(row, bound)}`,
    reached: written(row, is),
    share: aim.most === undefined ? is / bound : bound / Math.max(is, Number.MIN_VALUE),
  };
}

function median(samples, key, name) {
  return quantile(samples.get(key)?.get(name) ?? [], 0.5);
}

function ratio(row, ours, theirs) {
  const times = row.better === 'low' ? theirs / ours : ours / theirs;
  return Number.isFinite(times) && times > 0 ? times.toFixed(times < 10 ? 1 : 0) : '-';
}

function written({ unit = '', digits = 0 }, value) {
  if (!Number.isFinite(value)) return '-';
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString('en', options)}${unit}`;
}
