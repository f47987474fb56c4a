// A real Python Celery worker.
import { type PythonOptions, PythonProcess } from './python-process.ts';

export interface PythonWorkerOptions extends PythonOptions {
  readonly queues: readonly string[];
  /** Default 1. */
  readonly concurrency?: number;
  /** Default `solo`: tasks run in the worker's own process. Time limits and lost children need `prefork`. */
  readonly pool?: 'solo' | 'prefork' | 'threads';
  readonly name?: string;
  /** `max,min`: it chooses its concurrency between them. */
  readonly autoscale?: string;
  /** It hears of other workers, asks them at its start, and logs all that it does. Default: nothing of it. */
  readonly isSociable?: boolean;
}

export class PythonWorker implements AsyncDisposable {
  readonly process: PythonProcess;
  /** The pids of the processes that run tasks are not the worker's own with `prefork`. */
  readonly pool: 'solo' | 'prefork' | 'threads';

  private constructor(process: PythonProcess, pool: 'solo' | 'prefork' | 'threads') {
    this.process = process;
    this.pool = pool;
  }

  /** Resolves when it takes messages. */
  static async start(options: PythonWorkerOptions): Promise<PythonWorker> {
    const {
      queues,
      concurrency = 1,
      pool = 'solo',
      name = 'python@%h',
      autoscale,
      isSociable = false,
    } = options;
    const size = autoscale === undefined ? ['-c', String(concurrency)] : ['--autoscale', autoscale];
    const how = ['-P', pool, ...size, '-Q', queues.join(','), '-n', name];
    const others = isSociable ? ['-l', 'DEBUG'] : ['-l', 'INFO', '--without-gossip', '--without-mingle'];
    const args = ['-m', 'celery', '-A', 'interop_app', 'worker', ...how, ...others];
    const worker = new PythonWorker(new PythonProcess('the Python worker', args, options), pool);
    try {
      while ((await worker.process.line()) !== 'ready') {
        // the banner
      }
      return worker;
    } catch (error) {
      await worker[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.process.pid;
  }

  get log(): string {
    return this.process.log;
  }

  /** Warm: it finishes what runs and gives back what it has fetched beyond that. */
  async stop(): Promise<void> {
    await this.process.end('SIGTERM');
  }

  /** `kill -9`: of the worker and, with prefork, of what it forked. */
  async kill(): Promise<void> {
    await this.process.end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // With prefork only a warm end takes the children along.
    await this.process.end(this.pool === 'prefork' ? 'SIGTERM' : 'SIGKILL');
  }
}
