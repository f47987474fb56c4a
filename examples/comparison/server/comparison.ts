// The three ways, their programs, and what is known of their jobs.
import { randomUUID } from 'node:crypto';
import { captureEvents } from 'umbel/events';
import { openCalls } from '../ways/call/caller.ts';
import { openMessages } from '../ways/message/caller.ts';
import { app } from '../ways/task/app.ts';
import { openTasks } from '../ways/task/caller.ts';
import type { Tell, Way, WayName } from '../ways/way.ts';
import type { Work } from '../ways/work.ts';
import type { Brokers } from './brokers.ts';
import { type Job, Jobs } from './jobs.ts';
import { Programs } from './programs.ts';

export interface Order extends Partial<Omit<Work, 'number'>> {
  readonly count?: number;
}

export class Comparison {
  readonly brokers: Brokers;
  readonly jobs: Jobs;
  readonly programs: Programs;
  readonly #ways: ReadonlyMap<WayName, Way>;
  readonly #workers: AsyncDisposable;
  #number = 0;

  private constructor(
    brokers: Brokers,
    jobs: Jobs,
    programs: Programs,
    ways: ReadonlyMap<WayName, Way>,
    workers: AsyncDisposable,
  ) {
    this.brokers = brokers;
    this.jobs = jobs;
    this.programs = programs;
    this.#ways = ways;
    this.#workers = workers;
  }

  /** @param apiUrl where consumers post statuses; @param say what the programs say */
  static async open(
    brokers: Brokers,
    apiUrl: () => string,
    say: (line: string) => void,
  ): Promise<Comparison> {
    const jobs = new Jobs();
    const tell: Tell = (id, update) => void jobs.update(id, update);
    const env = () => ({
      ...process.env,
      API_URL: apiUrl(),
      ...(brokers.rabbit && { RMQ_URL: brokers.rabbit }),
    });
    const programs = new Programs(() => jobs.changed(), env, say);
    const urls = () => programs.of('call').flatMap(({ url }) => url ?? []);
    const ways = new Map<WayName, Way>([['task', await openTasks(tell)]]);
    if (brokers.rabbit !== null) ways.set('message', await openMessages(brokers.rabbit));
    ways.set('call', openCalls(urls, tell));
    const workers = await captureEvents(
      app,
      ({ type, hostname }) => type === 'worker-online' && programs.online(hostname),
      { routingKey: 'worker.#' },
    );
    return new Comparison(brokers, jobs, programs, ways, workers);
  }

  has(way: WayName): boolean {
    return this.#ways.has(way);
  }

  /** Sends jobs; they are known at once. */
  send(way: WayName, { count = 1, seconds = 1, failures = 0 }: Order): readonly Job[] {
    return Array.from({ length: count }, () => {
      const work = { number: ++this.#number, seconds, failures };
      const job = this.jobs.add(randomUUID(), way, work);
      this.#way(way)
        .send(job.id, work)
        .catch((error: Error) => this.jobs.update(job.id, { status: 'LOST', error: error.message }))
        .finally(() => {
          job.answered = Date.now();
          this.jobs.changed();
        });
      return job;
    });
  }

  waiting(way: WayName): Promise<number> {
    return this.#way(way).waiting();
  }

  /** Deletes the jobs that wait in the broker; resolves with their number. */
  async purge(way: WayName): Promise<number> {
    const waiting = this.jobs.list.filter((job) => job.way === way && job.status === 'PENDING');
    const count = await this.#way(way).purge();
    // The others are with programs that have taken them, and will run: those are the oldest.
    for (const { id } of waiting.filter(({ status }) => status === 'PENDING').slice(0, count))
      this.jobs.update(id, { status: 'PURGED' });
    return count;
  }

  async close(): Promise<void> {
    await this.programs.stop();
    for (const way of this.#ways.values()) await way.close();
    await this.#workers[Symbol.asyncDispose]();
    await app.close();
  }

  #way(name: WayName): Way {
    const way = this.#ways.get(name);
    if (way === undefined) throw new Error(`the way '${name}' is not there: ${this.brokers.notes.join(' ')}`);
    return way;
  }
}
