// The rolling restart of workers: its dialog, and how far it is.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RestartLine, RestartStatus } from '../../server/pages/rolling-restart.ts';
import type { WorkerSummary } from '../../server/pages/workers.ts';
import { answer, api, useLoaded } from '../api.ts';
import { duration, plural } from '../format.ts';
import { useRefresh, useReloadSoon } from '../live.ts';
import { workerLink } from '../router.ts';
import { Act } from '../ui/act.tsx';
import { AskButton } from '../ui/ask-button.tsx';
import type { Question } from '../ui/confirm.tsx';
import { FormDialog } from '../ui/form-dialog.tsx';
import { Warning } from '../ui/notice.tsx';
import { Panel } from '../ui/page-head.tsx';
import { TextInput } from '../ui/text-input.tsx';
import { Time } from '../ui/time.tsx';

/** The button that begins it, and the restart that runs or was the last one. */
export function useRollingRestart(workers: readonly WorkerSummary[]): {
  readonly button: JSX.Element;
  readonly panel: JSX.Element | null;
} {
  const { value, reload } = useLoaded('restart', () => answer(api.restart.$get()));
  const restart = (value?.restart ?? null) as RestartStatus | null; // the route's type; hono's JSON type is not deep enough
  const isRunning = restart?.state === 'running';
  useRefresh(reload, 10_000, 10_000);
  useReloadSoon(isRunning, value, reload);
  const [isOpen, setOpen] = useState(false);
  const [isHidden, setHidden] = useState(0);
  const answering = workers.filter(({ answered }) => answered === true);
  return {
    button: (
      <Act needs="shutdown">
        <button
          type="button"
          class="button"
          disabled={isRunning || answering.length === 0}
          onClick={() => setOpen(true)}
        >
          Restart one by one…
        </button>
        {isOpen && <RestartDialog workers={answering} onClose={() => setOpen(false)} onDone={reload} />}
      </Act>
    ),
    panel:
      restart === null || restart.startedAt === isHidden ? null : (
        <RestartPanel restart={restart} reload={reload} onHide={() => setHidden(restart.startedAt)} />
      ),
  };
}

function RestartDialog({
  workers,
  onClose,
  onDone,
}: {
  workers: readonly WorkerSummary[];
  onClose: () => void;
  onDone: () => Promise<void>;
}): JSX.Element {
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [patience, setPatience] = useState('300');
  const chosen = workers.filter(({ name }) => !left.has(name));
  const running = chosen.reduce((sum, { active }) => sum + (active ?? 0), 0);
  return (
    <FormDialog
      title="Restart workers one by one"
      verb="Restart"
      ready={chosen.length > 0 && Number(patience) >= 5}
      act={async (why) => {
        const json = { workers: chosen.map(({ name }) => name), patience: Math.floor(Number(patience)) };
        await answer(api.restart.$post({ query: why, json }));
        await onDone();
        return `It has begun with ${chosen[0]?.name}.`;
      }}
      onClose={onClose}
    >
      <p>
        Shuts down <b>{plural(chosen.length, 'worker')}</b>, one after the other. Each finishes what it runs (
        {plural(running, 'task')} now) and ends; <b>whoever started it has to start it again</b>: systemd,
        Kubernetes, Docker. The next one is told only when the one before is back and answers. If one does not
        come back in time, or the dashboard ends, no further one is touched. A worker of Python’s does not
        answer while it ends its tasks: it is away meanwhile.
      </p>
      <fieldset>
        <legend class="dim">Workers, in this order</legend>
        {workers.map(({ name, uptime, active }) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              checked={!left.has(name)}
              onChange={({ currentTarget }) => {
                const next = new Set(left);
                if (currentTarget.checked) next.delete(name);
                else next.add(name);
                setLeft(next);
              }}
            />
            {name}
            <span class="dim">
              {uptime !== null && ` up ${duration(uptime * 1000)}`}
              {active !== null && active > 0 && `, runs ${plural(active, 'task')}`}
            </span>
          </label>
        ))}
      </fieldset>
      <TextInput
        label="Each has this time to end its tasks and come back, seconds"
        value={patience}
        onInput={setPatience}
      />
    </FormDialog>
  );
}

const looks: Readonly<Record<RestartLine['state'], readonly [tone: string, word: string]>> = {
  waiting: ['stone', 'waits'],
  silent: ['amber', 'does not answer'],
  ending: ['amber', 'ends its tasks'],
  away: ['amber', 'is away'],
  back: ['green', 'is back'],
  failed: ['red', 'failed'],
};

function RestartPanel({
  restart,
  reload,
  onHide,
}: {
  restart: RestartStatus;
  reload: () => Promise<void>;
  onHide: () => void;
}): JSX.Element {
  const { state, lines, by, startedAt, problem, stopping } = restart;
  const back = lines.filter((line) => line.state === 'back').length;
  const toStop = (): Question => ({
    title: 'Stop the rolling restart',
    verb: 'Stop',
    effect: <p>The worker that is away now comes back by itself. Those that wait are not touched.</p>,
    act: async (why) => {
      await answer(api.restart.stop.$post({ query: why }));
      await reload();
      return 'It stops after this worker.';
    },
  });
  return (
    <Panel
      title={`Rolling restart: ${back} of ${plural(lines.length, 'worker')} back`}
      aside={
        state === 'running' ? (
          <Act needs="shutdown">
            <AskButton small disabled={stopping} ask={toStop}>
              {stopping ? 'Stops after this one' : 'Stop…'}
            </AskButton>
          </Act>
        ) : (
          <button type="button" class="button button-small" onClick={onHide}>
            Hide
          </button>
        )
      }
      flush
    >
      {problem !== null && (
        <Warning tone="red">
          <b>It stopped.</b> {problem}
        </Warning>
      )}
      <p class="pad dim">
        By {by}, <Time at={startedAt} />. {state === 'done' && 'All are back.'}
      </p>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">State</th>
            <th scope="col" class="right hide-s">
              Told to shut down
            </th>
            <th scope="col" class="right">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ worker, state: each, askedAt, backAt }) => (
            <tr key={worker}>
              <td class="wide-cell">
                <a href={workerLink(worker)}>{worker}</a>
              </td>
              <td>
                <span class={`badge tone-${looks[each][0]}`}>
                  {each === 'waiting' && state === 'stopped' ? 'not touched' : looks[each][1]}
                </span>
              </td>
              <td class="right hide-s">
                <Time at={askedAt} />
              </td>
              <td class="right num">
                {askedAt === null || backAt === null ? '–' : duration(backAt - askedAt)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
