import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { storedSignature } from '../../src/protocol/workflow-wire.ts';
import { Activity } from '../../src/worker/activity.ts';
import { Decider } from '../../src/worker/decider.ts';
import type { Told } from '../../src/worker/history-notes.ts';
import { Records } from '../../src/worker/records.ts';
import { Rejections } from '../../src/worker/rejections.ts';
import { Reporter } from '../../src/worker/reporter.ts';
import { Retrier } from '../../src/worker/retrier.ts';
import { Settler } from '../../src/worker/settler.ts';
import { WorkflowSettler } from '../../src/worker/workflow-settler.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeStore } from './fake-store.ts';
import { MemoryLog } from './memory-log.ts';
import { someMessage } from './some-message.ts';

function bench() {
  const app = new App('shop', { broker: 'memory://' });
  const store = new FakeStore({ together: true });
  const { backend } = store;
  const clock = new FakeClock();
  const logger = new MemoryLog();
  const retrier = new Retrier(clock, logger);
  const settler = new Settler(store.transport, backend, retrier);
  const records = new Records({ worker: 'celery@here', extended: false, clock });
  const workflows = new WorkflowSettler({ app, settler, backend, clock, logger });
  const decider = new Decider({ app, settler, workflows, records, logger });
  const nothing = (): void => undefined;
  const silent = { on: false, areKept: false, received: nothing, started: nothing, ended: nothing };
  const unkept = { rejecting: () => null, settled: nothing, unsettled: nothing };
  const nothingTold = { arrival: null, end: null, before: '', isBrief: false, write: null, after: null };
  const ending = (): Told => ({ id: 'a', ...nothingTold });
  const events = { ...silent, ...unkept, notRun: nothing, ending };
  const reporter = new Reporter({ app, activity: new Activity(0), events, metrics: null, clock, logger });
  const rejections = new Rejections({ settler, workflows, decider, reporter, logger });
  return { store, retrier, logger, rejections };
}

const { embed } = someMessage();
const expired = {
  kind: 'expired',
  message: someMessage({ embed: { ...embed, chain: [storedSignature('the rest')] } }),
} as const;

it('a message whose workflow cannot be read comes back, when the worker stops before the store answered', async () => {
  const { store, retrier, logger, rejections } = bench();
  store.refusals.push(new BrokerUnavailable('the disk is full'));
  retrier.limit(0);
  await rejections.reject(store.delivery(), expired);
  expect(store.steps).toEqual([]);
  expect(logger.lines.at(-1)?.text).toContain('it will run again');
});

it('the same message is settled when the store answers', async () => {
  const { store, rejections } = bench();
  await rejections.reject(store.delivery(), expired);
  expect(store.steps).toMatchObject([{ kind: 'settle', settlement: { kind: 'ack' } }]);
});
