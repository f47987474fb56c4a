// How old it is what workers told, and who did not reply.
import type { ComponentChildren, JSX } from 'preact';
import type { ToldByWorkers } from '../../server/pages/fleet.ts';
import { plural } from '../format.ts';
import { Warning } from './notice.tsx';
import { Time } from './time.tsx';

/** `children`: what is missing without the replies. */
export function Told({
  told: { at, asking, problem, silent },
  children,
}: {
  told: ToldByWorkers;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <>
      {problem !== null && (
        <Warning tone="red">
          <b>The workers are unreachable.</b> {problem}
        </Warning>
      )}
      {silent.length > 0 && (
        <Warning>
          <b>{plural(silent.length, 'worker')} did not reply:</b> {silent.join(', ')}. {children}
        </Warning>
      )}
      {problem === null && (
        <p class="dim table-note">
          {at === null ? (
            'The workers are being asked…'
          ) : (
            <>
              The workers told it <Time at={at} />
              {asking && ', and are being asked again'}.
            </>
          )}
        </p>
      )}
    </>
  );
}
