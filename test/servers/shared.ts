// The servers that all test files of one run share: one of each kind, started when the first file asks. They live in
// the process that leads the run; files ask it over the loopback, and get a part of the server for themselves.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the run's leader listens; set by {@link lead}, inherited by the processes of the test files. */
const variable = 'UMBEL_TEST_SERVERS';

/** How a kind of server is started once, and what each asker gets of it (as JSON). */
export interface Kind {
  start(): Promise<AsyncDisposable & { part(): Promise<object> }>;
}

/** Serves shared servers until it is disposed; then all that were started are stopped. */
export async function lead(kinds: Readonly<Record<string, Kind>>): Promise<AsyncDisposable> {
  const started = new Map<string, ReturnType<Kind['start']>>();
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    const part = async (): Promise<object> => {
      const kind = kinds[name];
      if (kind === undefined) throw new Error(`there is no shared '${name}'`);
      const running = started.get(name) ?? kind.start();
      started.set(name, running);
      return (await running).part();
    };
    part().then(
      (found) => response.end(JSON.stringify(found)),
      (error) => response.writeHead(500).end(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.env[variable] = String(portOf(server));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      for (const running of started.values()) await (await running)[Symbol.asyncDispose]();
    },
  };
}

/** A part of the run's shared server of this kind. */
export async function partOf(kind: string): Promise<unknown> {
  const port = process.env[variable];
  if (port === undefined) throw new Error('no run of the tests leads this process');
  const response = await fetch(`http://127.0.0.1:${port}/${kind}`);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return JSON.parse(text);
}

function portOf(server: Server): number {
  // Listens on a port, so its address is one of those and no path.
  return (server.address() as AddressInfo).port;
}
