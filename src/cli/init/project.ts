// The files of a small new project: typed tasks, a worker, a test, and what a deployment needs. Pure.
import { json } from './json.ts';
import { biome, biomeJson, lintScript } from './lint.ts';
import { minimal } from './minimal.ts';
import type { ProjectSources } from './project-sources.ts';
import { copyingTarball, dependenciesOn, type UmbelPackage } from './umbel-package.ts';
import { workflow } from './workflow.ts';

export type ProjectStore = 'embedded' | 'redis' | 'rabbitmq';

export type ProjectTemplate = 'minimal' | 'workflow';

interface ProjectChoices {
  readonly template: ProjectTemplate;
  /** A valid name of an npm package. */
  readonly name: string;
  readonly store: ProjectStore;
  /** This Node has no SQLite. */
  readonly needsSqlite: boolean;
  readonly umbel: UmbelPackage;
}

/** The files: texts by their paths. */
export function projectFiles({
  template,
  name,
  store,
  needsSqlite,
  umbel,
}: ProjectChoices): ReadonlyMap<string, string> {
  const { app, main, test, call } = sources[template](name);
  const files = new Map([
    ['package.json', packageJson(name, needsSqlite, umbel)],
    ['tsconfig.json', tsconfig],
    ['biome.json', biomeJson],
    ['src/app.ts', app],
    ['src/main.ts', main],
    ['test/app.test.ts', test],
    ['.env', env(store)],
    ['.gitignore', 'node_modules/\n.umbel/\n.env\n'],
    ['.dockerignore', 'node_modules/\n.umbel/\n.env\n.git/\n'],
    ['Dockerfile', copyingTarball(dockerfile, umbel)],
    ['compose.yaml', compose(store)],
    ['README.md', readme(name, store, call)],
  ]);
  return files;
}

const sources: Readonly<Record<ProjectTemplate, (name: string) => ProjectSources>> = { minimal, workflow };

function packageJson(name: string, needsSqlite: boolean, umbel: UmbelPackage): string {
  return json({
    name,
    private: true,
    type: 'module',
    engines: { node: '>=20.19' },
    scripts: {
      start: 'tsx --env-file-if-exists=.env src/main.ts',
      dev: 'umbel dev',
      test: 'tsx --test test/*.test.ts',
      worker: 'umbel -A ./src/app.ts worker -l info',
      beat: 'umbel -A ./src/app.ts beat',
      check: 'tsc --noEmit',
      lint: lintScript,
    },
    dependencies: dependenciesOn(umbel, needsSqlite),
    devDependencies: { ...biome, '@types/node': '^20.19.0', tsx: '^4.20.0', typescript: '>=5.9' },
  });
}

const tsconfig: string = json({
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    types: ['node'],
  },
  include: ['src', 'test'],
});

const urls: Readonly<Record<ProjectStore, { readonly local: string; readonly compose: string }>> = {
  embedded: { local: '', compose: '' },
  redis: { local: 'redis://localhost:6379/0', compose: 'redis://redis:6379/0' },
  rabbitmq: { local: 'amqp://guest:guest@localhost:5672//', compose: 'amqp://guest:guest@rabbitmq:5672//' },
};

function env(store: ProjectStore): string {
  const { local } = urls[store];
  if (store === 'embedded') {
    return `# Without a broker messages and results are in .umbel/store.db. Other brokers: redis://localhost:6379/0, amqp://guest:guest@localhost:5672//
# UMBEL_BROKER_URL=redis://localhost:6379/0
# UMBEL_RESULT_BACKEND=redis://localhost:6379/1
`;
  }
  const results = store === 'redis' ? 'redis://localhost:6379/1' : 'rpc://';
  return `UMBEL_BROKER_URL=${local}\nUMBEL_RESULT_BACKEND=${results}\n`;
}

const dockerfile = `FROM node:22-slim
WORKDIR /app
COPY package*.json ./
RUN npm install --omit=dev
COPY tsconfig.json ./
COPY src ./src
# The folder of the embedded store; a mounted volume gets this owner.
RUN mkdir .umbel && chown node:node .umbel
USER node
# Not npx or npm: they do not pass SIGTERM on, with which running tasks finish (stop_grace_period). After 25 s they are requeued.
CMD ["./node_modules/.bin/umbel", "-A", "./src/app.ts", "worker", "-l", "info", "--shutdown-timeout", "25s", "--health-port", "8081", "--health-host", "0.0.0.0"]
`;

function compose(store: ProjectStore): string {
  const { compose: broker } = urls[store];
  const results = store === 'redis' ? 'redis://redis:6379/1' : 'rpc://';
  const environment =
    store === 'embedded'
      ? `    # One machine, one file: workers and senders share it.
    volumes: [store:/app/.umbel]
`
      : `    environment:
      UMBEL_BROKER_URL: ${broker}
      UMBEL_RESULT_BACKEND: ${results}
    depends_on: [${store}]
`;
  const servers: Readonly<Record<ProjectStore, string>> = {
    embedded: '',
    redis: `  redis:
    image: redis:7
    command: redis-server --appendonly yes
    volumes: [redis:/data]
`,
    rabbitmq: `  rabbitmq:
    image: rabbitmq:4-management
    volumes: [rabbitmq:/var/lib/rabbitmq]
`,
  };
  return `services:
  worker:
    build: .
    restart: unless-stopped
    stop_grace_period: 30s
${environment}    healthcheck:
      test: ["CMD", "node", "-e", "fetch('http://127.0.0.1:8081/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
      interval: 10s
  beat:
    build: .
    restart: unless-stopped
    command: ["./node_modules/.bin/umbel", "-A", "./src/app.ts", "beat"]
${environment}${servers[store]}volumes:
  ${store === 'embedded' ? 'store' : store}: {}
`;
}

function readme(name: string, store: ProjectStore, call: string): string {
  const needs =
    store === 'embedded'
      ? 'No server is needed: messages and results are in `.umbel/store.db`.'
      : `\`.env\` has the URL of ${store === 'redis' ? 'Redis' : 'RabbitMQ'}; \`docker compose up ${store}\` starts one.`;
  return `# ${name}

\`\`\`sh
npm install
npm start      # a worker, a task, its result
npm run dev    # worker, beat, HTTP API and dashboard; a change of the code starts them again
npm test
\`\`\`

${needs}

| | |
|---|---|
| \`src/app.ts\` | the application: tasks and schedules |
| \`npm run worker\` | runs tasks until you stop it |
| \`npm run beat\` | sends scheduled tasks; you may run several |
| \`npx umbel call ${call} --wait\` | sends a task from the command line |
| \`npx umbel dead list\` | lists messages that could not be run, with the reason |
| \`docker compose up\` | runs everything in containers |
`;
}
