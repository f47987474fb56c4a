// The page: the three ways side by side, what their jobs do now, and what was measured.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { State } from '../server/api.ts';
import type { Job } from '../server/jobs.ts';
import { type Report, shown, titles } from '../server/report.ts';
import type { WayName } from '../ways/way.ts';

type WayState = State['ways'][number];

const words: Readonly<Record<WayName, { readonly what: string; readonly program: string }>> = {
  task: {
    what: 'Umbel sends it, tries it again, tells its status, progress and result.',
    program: 'worker',
  },
  message: {
    what: 'Publisher and consumer of your own; the consumer posts statuses.',
    program: 'consumer',
  },
  call: { what: 'The caller waits for the answer, and hears nothing before.', program: 'server' },
};

function Root() {
  const [state, setState] = useState<State>();
  const [live, setLive] = useState(false);
  const [said, setSaid] = useState('');
  useEffect(() => {
    const events = new EventSource('/events');
    events.addEventListener('message', ({ data }) => setState(JSON.parse(data)));
    events.addEventListener('open', () => setLive(true));
    events.addEventListener('error', () => setLive(false));
    return () => events.close();
  }, []);
  if (state === undefined) return <p class="note">Connecting …</p>;
  return (
    <>
      <header>
        <h1>Three ways to do a job</h1>
        <span role="status">{live ? 'live' : 'reconnecting'}</span>
        {state.dashboard && <a href={state.dashboard}>Dashboard</a>}
      </header>
      <main>
        {state.notes.map((note) => (
          <p class="note" key={note}>
            {note}
          </p>
        ))}
        <div class="said" role="status">
          {said}
        </div>
        <div class="ways">
          {state.ways.map((way) => (
            <Way
              key={way.way}
              way={way}
              jobs={state.jobs.filter((job) => job.way === way.way)}
              dashboard={state.dashboard}
              say={setSaid}
            />
          ))}
        </div>
        <Inspect say={setSaid} />
        <section aria-labelledby="measured">
          <h2 id="measured">What was measured</h2>
          <button
            type="button"
            class="main"
            disabled={state.measuring !== null}
            onClick={() => post('/measure', {}, setSaid)}
          >
            {state.report ? 'Measure again' : 'Measure'}
          </button>{' '}
          <span role="status">{state.measuring ?? ''}</span>
          {state.report ? <Table report={state.report} /> : <p>Nothing yet: it takes half a minute.</p>}
        </section>
      </main>
    </>
  );
}

interface WayParts {
  readonly way: WayState;
  readonly jobs: readonly Job[];
  readonly dashboard: string | null;
  readonly say: (text: string) => void;
}

function Way({ way: { way, here, programs }, jobs, dashboard, say }: WayParts) {
  const { what, program } = words[way];
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement); // it listens to its own form
    const number = (name: string) => Number(form.get(name));
    post(
      '/jobs',
      { way, seconds: number('seconds'), failures: number('failures'), count: number('count') },
      say,
    );
  };
  const field = (name: string, label: string, value: number, max: number, step: number) => (
    <label>
      {label}
      <input
        name={name}
        type="number"
        defaultValue={String(value)}
        min={name === 'failures' ? 0 : step}
        max={max}
        step={step}
      />
    </label>
  );
  return (
    <section class="way" aria-labelledby={way} data-way={way}>
      <h2 id={way}>{titles[way]}</h2>
      <p>{what}</p>
      {here ? (
        <>
          <form onSubmit={send}>
            {field('seconds', 'Seconds', 5, 60, 0.1)}
            {field('failures', 'Attempts that fail', 0, 10, 1)}
            {field('count', 'Jobs', 1, 50, 1)}
            <button type="submit" class="main">
              Send
            </button>
          </form>
          <div class="programs">
            {programs.map(({ name, pid, ready }) => (
              <button
                type="button"
                class="danger"
                key={pid}
                title="SIGKILL; another one takes its place"
                onClick={() => post('/kill', { pid }, say)}
              >
                Kill {name}
                {ready ? '' : ' (starting)'}
              </button>
            ))}
            {[1, 3].map((count) => (
              <button
                type="button"
                key={count}
                disabled={programs.length === count}
                onClick={() => post('/scale', { way, count }, say)}
              >
                {count === 1 ? `1 ${program}` : `${count} ${program}s`}
              </button>
            ))}
            {way !== 'call' && (
              <button
                type="button"
                onClick={() =>
                  post(
                    '/purge',
                    { way },
                    (text) => say(text),
                    ({ deleted }) => `Purged: ${deleted} jobs`,
                  )
                }
              >
                Purge
              </button>
            )}
          </div>
          <Jobs jobs={jobs} dashboard={way === 'task' ? dashboard : null} />
        </>
      ) : (
        <p>It is not there.</p>
      )}
    </section>
  );
}

function Jobs({ jobs, dashboard }: { readonly jobs: readonly Job[]; readonly dashboard: string | null }) {
  if (jobs.length === 0) return <p class="empty">No jobs yet.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keyboard, too
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Status</th>
            <th scope="col">Waited</th>
            <th scope="col">Took</th>
            <th scope="col">Runs</th>
            <th scope="col">By</th>
          </tr>
        </thead>
        <tbody>
          {jobs.slice(0, 50).map((job) => (
            <tr key={job.id}>
              <th scope="row">
                {dashboard ? <a href={`${dashboard}/tasks/${job.id}`}>{job.number}</a> : job.number}
              </th>
              <td>
                <span class="badge" data-status={job.status} title={job.error ?? ''}>
                  {job.status}
                </span>
                {job.status === 'IN_PROGRESS' && (
                  <progress value={job.progress} aria-label={`Progress of job ${job.number}`} />
                )}
              </td>
              <td>{between(job.created, job.started)}</td>
              <td>{between(job.started, job.ended)}</td>
              <td>{job.runs}</td>
              <td>{job.worker?.split('@')[job.worker.startsWith('worker') ? 0 : 1] ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Inspect({ say }: { readonly say: (text: string) => void }) {
  const [answer, setAnswer] = useState('');
  const inspect = async (what: string) => {
    const response = await fetch(`/inspect/${what}`);
    setAnswer(JSON.stringify(await response.json(), null, 2));
  };
  return (
    <section aria-labelledby="inspect">
      <h2 id="inspect">Ask the workers</h2>
      {['active', 'registered', 'stats'].map((what) => (
        <button type="button" key={what} onClick={() => inspect(what).catch((error) => say(String(error)))}>
          inspect {what}
        </button>
      ))}
      <button
        type="button"
        onClick={() =>
          post(
            '/data',
            [1, 2, 3],
            say,
            ({ result }) => `process_data([1, 2, 3]) gives ${JSON.stringify(result)}`,
          )
        }
      >
        process_data([1, 2, 3])
      </button>
      {answer && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keyboard, too
        <pre tabIndex={0}>{answer}</pre>
      )}
    </section>
  );
}

function Table({ report }: { readonly report: Report }) {
  const ways = Object.keys(titles) as WayName[];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keyboard, too
    <div class="scroll all" tabIndex={0}>
      <p>{report.conditions}</p>
      <table>
        <thead>
          <tr>
            <td />
            {ways.map((way) => (
              <th scope="col" key={way}>
                {titles[way]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {report.rows.map(({ question, unit, figures }) => (
            <tr key={question}>
              <th scope="row">{question}</th>
              {ways.map((way) => (
                <td key={way}>{shown(figures[way], unit)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Says what went wrong, or what `good` makes of the answer. */
function post(
  path: string,
  body: unknown,
  say: (text: string) => void,
  good: (answer: Record<string, unknown>) => string = () => '',
): void {
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  fetch(path, options)
    .then(async (response) => {
      const answer = await response.json();
      say(response.ok ? good(answer) : answer.detail);
    })
    .catch((error: Error) => say(error.message));
}

function between(from: number | null, to: number | null): string {
  return from === null || to === null ? '' : shown(to - from, 'ms');
}

render(<Root />, document.body);
