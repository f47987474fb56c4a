// Which brokers are there. What is missing is said in a sentence, and the comparison goes on without it.
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { settings } from './settings.ts';

export interface Brokers {
  /** Of the raw messages; null: there is no RabbitMQ. */
  readonly rabbit: string | null;
  /** What the tasks use, for people. */
  readonly tasks: string;
  /** What is missing, and the way out. */
  readonly notes: readonly string[];
}

/** Tells the App of this program, and those of the workers that it starts, where the broker is: by the environment. */
export async function findBrokers(): Promise<Brokers> {
  const { RMQ_URL, UMBEL_BROKER_URL, DATA } = settings;
  mkdirSync(DATA, { recursive: true });
  const notes: string[] = [];
  const noRabbit = await problemOf(RMQ_URL);
  if (noRabbit !== null)
    notes.push(
      `${noRabbit} The way by messages is left out. To see all three: docker run -d -p 5672:5672 rabbitmq:3, or set RMQ_URL.`,
    );
  const given = UMBEL_BROKER_URL;
  const noBroker = given === undefined || given.startsWith('sqlite:') ? null : await problemOf(given);
  if (noBroker !== null) notes.push(`${noBroker} UMBEL_BROKER_URL is not used.`);

  const embedded = `sqlite://${join(DATA, 'store.db')}`;
  const fallback = noRabbit === null ? RMQ_URL : embedded;
  const broker = given === undefined || noBroker !== null ? fallback : given;
  if (broker === embedded) notes.push("The tasks are in Umbel's embedded store.");
  process.env.UMBEL_BROKER_URL = broker;
  process.env.UMBEL_HISTORY_STORE ??= `sqlite://${join(DATA, 'tasks.history.db')}`;
  if (broker.startsWith('amqp')) process.env.UMBEL_RESULT_BACKEND ??= 'rpc://';
  else if (broker === embedded) delete process.env.UMBEL_RESULT_BACKEND; // with the messages
  return { rabbit: noRabbit === null ? RMQ_URL : null, tasks: named(broker), notes };
}

function named(url: string): string {
  if (url.startsWith('sqlite:')) return 'the embedded store';
  return `${url.startsWith('amqp') ? 'RabbitMQ' : 'Redis'} at ${new URL(url).host}`;
}

/** Null: somebody listens there. (The App itself would wait 10 s for a server that may be starting.) */
function problemOf(url: string): Promise<string | null> {
  const { hostname, port, protocol } = new URL(url);
  const usual = { 'amqp:': 5672, 'amqps:': 5671 }[protocol] ?? 6379;
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) || usual });
    const answer = (problem: string | null) => {
      socket.destroy();
      resolve(
        problem &&
          `No ${protocol.startsWith('amqp') ? 'RabbitMQ' : 'Redis'} at ${hostname}:${Number(port) || usual} (${problem}).`,
      );
    };
    socket.setTimeout(3000, () => answer('it does not answer'));
    socket.once('connect', () => answer(null));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code ?? error.message));
  });
}
