// `umbel tasks retry --query` runs many tasks again, as a job that is kept with the history. `umbel tasks job` shows and changes jobs.
import { Command } from 'commander';
import type { App } from '../../app/app.ts';
import type { RetryJob, RetryJobStatus } from '../../app/retry-job.ts';
import type { RetryAllOptions } from '../../app/task-history.ts';
import { readRegistered } from '../../protocol/registered-task.ts';
import { type CommonOptions, optionsOf, type Session, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { endOfCommand } from '../events/listen.ts';
import { counted, type Output } from '../output.ts';
import { progressBar } from '../progress-bar.ts';
import { clean } from '../terminal/clean.ts';
import { exitCode } from '../usage.ts';
import { rate } from '../values.ts';

interface ResumeOptions extends CommonOptions {
  readonly rate?: string;
}

interface RetryAllFlags {
  /** Does not ask. */
  readonly force: boolean;
  /** Shows the preflight, and sends nothing. */
  readonly dryRun: boolean;
}

/** Shows how many tasks can run again, asks, and runs them. */
export async function retryAll(
  { app, output }: Session,
  query: string,
  options: RetryAllOptions,
  { force, dryRun }: RetryAllFlags,
): Promise<void> {
  const registered = await registeredTasks(app);
  if (registered === null)
    output.note(
      'No worker answers: it is not known which tasks are registered, and new runs wait for a worker.',
    );
  const job = await app.history.retryAll(query, { ...options, ...(registered && { registered }) });
  const plan = await job.status();
  output.say(`${counted(plan.total, 'task')} found: ${plan.open} can run again, ${plan.refused} cannot.`);
  showProblems(output, plan);
  if (dryRun || plan.open === 0 || !(await agreed(job, plan, force))) {
    await job.delete();
    if (!dryRun && plan.open > 0) {
      output.note('Nothing was sent.');
      process.exitCode = exitCode.failed;
    }
    return output.data(plan);
  }
  await runJob(job, output);
}

async function agreed(job: RetryJob, { open, rate }: RetryJobStatus, force: boolean): Promise<boolean> {
  const pace = rate === null ? 'as fast as the broker takes them' : `${rate} in a second`;
  try {
    return await confirmed(`This runs ${counted(open, 'task')} again, ${pace}.`, force);
  } catch (error) {
    await job.delete();
    throw error;
  }
}

/** The tasks of the workers that answer; null: no worker answers. */
async function registeredTasks(app: App): Promise<ReadonlySet<string> | null> {
  const { Control } = await import('../../control/control.ts');
  await using control = new Control(app);
  const { replies } = await control.inspect({ timeout: 1 }).registered();
  if (replies.size === 0) return null;
  return new Set([...replies.values()].flatMap((reply) => readRegistered(reply).map(({ name }) => name)));
}

/** `umbel tasks job`: the jobs of `umbel tasks retry --query`. */
export function jobCommand(): Command {
  const one = (name: string, description: string, act: (job: RetryJob, output: Output) => Promise<void>) =>
    new Command(name)
      .description(description)
      .argument('<id>', 'Its id.')
      .action((id: string, _: unknown, command: Command) =>
        withApp(optionsOf<CommonOptions>(command), async ({ app, output }) =>
          act(await app.history.retryJob(id), output),
        ),
      );
  return new Command('job')
    .description('Show the jobs that run tasks again; pause, resume or abort one.')
    .addCommand(
      new Command('list')
        .description('List the jobs, the newest first (without a command: this).')
        .action((_: unknown, command: Command) => list(optionsOf<CommonOptions>(command))),
      { isDefault: true },
    )
    .addCommand(
      one('show', 'Show how far a job is.', async (job, output) => show(await job.status(), output)),
    )
    .addCommand(
      one(
        'prepare',
        'Find the tasks of a job whose preparation has stopped. Nothing is sent.',
        async (job, output) => show(await job.prepare(), output),
      ),
    )
    .addCommand(
      one('pause', 'Pause a job, in whatever process it runs.', async (job, output) => {
        await changed(job, await job.pause(), output);
      }),
    )
    .addCommand(
      new Command('resume')
        .description('Continue a job that is paused, or whose process died.')
        .argument('<id>', 'Its id.')
        .option('--rate <rate>', 'Another pace from now on: 20/s or 100/m; 0: all at once.', rate)
        .action((id: string, _: unknown, command: Command) => {
          const { rate: pace, ...options } = optionsOf<ResumeOptions>(command);
          return withApp(options, async ({ app, output }) =>
            runJob(await app.history.retryJob(id), output, pace),
          );
        }),
    )
    .addCommand(
      one('abort', 'End a job. What was sent stays sent.', async (job, output) => {
        await changed(job, await job.abort(), output);
      }),
    );
}

async function list(options: CommonOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const jobs = await app.history.retryJobs();
    output.data(jobs);
    if (jobs.length === 0) return output.say('No jobs.');
    await output.table(
      ['job', 'state', 'sent', 'of', 'refused', 'by', 'since', 'query'],
      jobs.map(({ id, state, sent, total, refused, by, createdAt, query }) => [
        ...[id, state, String(sent), String(total - refused), String(refused)],
        ...[clean(by), createdAt.toISOString(), clean(query)],
      ]),
    );
  });
}

async function runJob(job: RetryJob, output: Output, pace?: string): Promise<void> {
  using ending = endOfCommand();
  const { open, sending, sent } = await job.status();
  output.note(`Job ${job.id}; Ctrl-C pauses it.`);
  const bar = progressBar(output, open + sending + sent, 'tasks');
  try {
    const status = await job.run({
      signal: ending.signal,
      onProgress: (now) => bar.update(now.sent),
      ...(pace !== undefined && { rate: pace }),
    });
    bar.update(status.sent);
    show(status, output);
    if (status.state !== 'done') process.exitCode = exitCode.failed;
  } catch (error) {
    output.note(`Continue: umbel tasks job resume ${job.id}`);
    throw error;
  } finally {
    bar.stop();
  }
}

async function changed(job: RetryJob, isChanged: boolean, output: Output): Promise<void> {
  const status = await job.status();
  show(status, output);
  if (isChanged) return;
  output.note(`umbel: nothing was changed: the job is ${status.state}`);
  process.exitCode = exitCode.failed;
}

function show(status: RetryJobStatus, output: Output): void {
  const { id, state, pauseReason, sent, open, sending, refused, by, reason, query, outcomes } = status;
  output.data(status);
  output.say(`${output.bold(state)}${pauseReason === '' ? '' : `: ${clean(pauseReason)}`}`);
  const uncertain = sending === 0 ? '' : `, ${sending} possibly sent`;
  output.say(`${sent} sent, ${open} not sent yet, ${refused} refused${uncertain}`);
  const ended = Object.entries(outcomes).map(([name, tasks]) => `${tasks} ${name}`);
  if (ended.length > 0) output.say(`the new runs in the history: ${ended.join(', ')}`);
  output.say(output.dim(clean(`${id} by ${by}${reason === '' ? '' : `: ${reason}`}; ${query}`)));
  showProblems(output, status);
  if (state === 'paused') output.say(`Continue: umbel tasks job resume ${id}`);
  if (state === 'planning' && pauseReason !== '') output.say(`Continue: umbel tasks job prepare ${id}`);
}

function showProblems(output: Output, { problems }: RetryJobStatus): void {
  for (const { problem, tasks } of problems) output.say(`  ${String(tasks).padStart(7)}  ${clean(problem)}`);
}
