// Ours beside the peers, in one run on the same servers: each measurement in fresh processes on an empty store, the systems
// taking turns, and of the rounds the median. `npm run bench -- --help`
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { celeryVersions, noCelery, noPlainjob } from './children.mjs';
import { aimsTable, asMarkdown, asText, table } from './report.mjs';
import { aims, placeOf, stages, systemsOf } from './stages.mjs';

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    count: { type: 'string' },
    stage: { type: 'string' },
    only: { type: 'string' },
    row: { type: 'string' },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    out: { type: 'string' },
    doc: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(`npm run bench -- [options]
  --quick             one round of few tasks, under three minutes; the numbers say little
  --rounds 3          of which the median is taken
  --count 50000       tasks of a drain (Celery, and what flushes each call, take a fraction)
  --stage redis,…     of: ${stages.map(({ name }) => name).join(', ')}
  --only umbel,…      these systems
  --row drain,…       these rows: ${[...new Set(stages.flatMap(({ rows }) => rows.map(({ key }) => key)))].join(', ')}
  --markdown          the tables as in docs/benchmarks.md
  --doc               writes them there
  --json              everything, each round of each row, to the screen; --out file: to a file
`);
  process.exit(0);
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const list = (text) => (text === undefined ? null : text.split(','));
const only = list(values.only);
const wantedRows = list(values.row);
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const count = Number(values.count ?? (values.quick ? 5_000 : 50_000));
if (!existsSync(here('../dist/index.js'))) fail('the package is not built: run `npm run build` first');
if (!existsSync(here('node_modules/bullmq')))
  fail('the peers are not installed: run `npm ci --prefix bench` first');
for (const name of list(values.stage) ?? [])
  if (!stages.some((stage) => stage.name === name)) fail(`there is no stage '${name}'`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
const begun = new Date();
const taken = [];
const skipped = [];
for (const reason of [noCelery, noPlainjob]) if (reason !== null) skipped.push(reason);
for (const stage of stages) {
  if (values.stage !== undefined && !values.stage.split(',').includes(stage.name)) continue;
  const missing = stage.missing();
  if (missing !== null) {
    skipped.push(`${stage.title}: ${missing}`);
    continue;
  }
  process.stderr.write(`${stage.name} `);
  taken.push(await measured(stage));
  process.stderr.write('\n');
}

const facts = {
  date: begun.toISOString().slice(0, 10),
  minutes: Math.round((Date.now() - begun.getTime()) / 6_000) / 10,
  machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GB`,
  versions: versions(),
  rounds,
  count,
};
const json = JSON.stringify(
  {
    ...facts,
    skipped,
    stages: taken.map(({ stage, samples, errors }) => ({
      name: stage.name,
      rows: Object.fromEntries([...samples].map(([key, of]) => [key, Object.fromEntries(of)])),
      errors,
    })),
  },
  null,
  2,
);
if (values.out) writeFileSync(values.out, `${json}\n`);
if (values.doc) writeDown(printed(true));
process.stdout.write(values.json ? `${json}\n` : printed(values.markdown));
// A peer that cannot do it is a finding; ours must.
if (taken.some(({ errors }) => errors.some(({ ours }) => ours))) process.exitCode = 1;

/** All rounds of a stage. A measurement that fails is told and leaves its cell empty; the others go on. */
async function measured(stage) {
  const systems = systemsOf(stage, only);
  const rows = stage.rows.filter(({ key }) => wantedRows === null || wantedRows.includes(key));
  const samples = new Map(rows.map(({ key }) => [key, new Map(systems.map(({ name }) => [name, []]))]));
  const errors = [];
  const server = await stage.server();
  try {
    for (let round = 1; round <= rounds; round++) {
      // Rows that share a measurement share it within a round.
      const memo = new Map();
      for (const row of rows)
        for (const system of round % 2 ? systems : systems.toReversed()) {
          if (system.only?.includes(row.key) === false) continue;
          const { place, leave } = placeOf(stage, server, system, { count, quick: values.quick, memo });
          try {
            const figure = await row.take(place);
            samples.get(row.key).get(system.name).push(figure);
            process.stderr.write('.');
          } catch (error) {
            errors.push({
              ours: system.name.startsWith('umbel'),
              text: `${stage.name}, ${row.key}: ${error.message}`,
            });
            process.stderr.write('!');
          } finally {
            leave();
          }
        }
    }
  } finally {
    await server.stop?.();
  }
  return { stage: { ...stage, rows, version: server.version }, systems, samples, errors };
}

function printed(markdown) {
  const written = markdown ? asMarkdown : asText;
  const heading = (title) => (markdown ? `### ${title}` : title);
  const parts = taken.map((stage) => {
    const version = stage.stage.version ? ` (${stage.stage.version})` : '';
    const note = stage.stage.note ? `\n\n${stage.stage.note}` : '';
    return `${heading(`${stage.stage.title}${version}`)}\n\n${written(table(stage))}${note}`;
  });
  const wanted = aimsTable(aims, taken);
  if (wanted.length > 1) parts.push(`${heading('Aims')}\n\n${written(wanted)}`);
  const errors = new Set(taken.flatMap(({ errors }) => errors.map(({ text }) => text)));
  if (errors.size > 0)
    parts.push(`${heading('Not done')}\n\n${[...errors].map((text) => `- ${text}`).join('\n')}`);
  if (skipped.length > 0) parts.push(`Not measured: ${skipped.join('; ')}.`);
  parts.push(
    `${facts.date}, ${facts.machine}; ${facts.versions.join(', ')}; medians of ${rounds} rounds, ${count.toLocaleString('en')} tasks, ${facts.minutes} minutes.`,
  );
  return `${parts.join('\n\n')}\n`;
}

/** Into the page, between its two marks. */
function writeDown(figures) {
  const page = here('../docs/benchmarks.md');
  const [before, , after] = readFileSync(page, 'utf8').split(/(?:<!-- figures -->|<!-- \/figures -->)/);
  writeFileSync(page, `${before}<!-- figures -->\n${figures}<!-- /figures -->${after}`);
}

function versions() {
  const peers = JSON.parse(readFileSync(here('package.json'), 'utf8')).dependencies;
  return [
    `Node ${process.version.slice(1)}`,
    ...Object.entries(peers).map(([name, version]) => `${name} ${version}`),
    ...(noCelery === null ? [celeryVersions()] : []),
  ];
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
