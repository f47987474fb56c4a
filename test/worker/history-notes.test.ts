// What a worker tells the history of a task.
import { expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { EventSender } from '../../src/events/sender.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { LamportClock } from '../../src/lib/lamport.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { eventsIn, type WireEvent } from '../../src/protocol/event.ts';
import type { Json } from '../../src/protocol/message.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import { HistoryWriter, ofEvents, sentNoteProperty } from '../../src/sending/history-writer.ts';
import type { HistoryStream } from '../../src/stores/history-stream.ts';
import type { Delivery } from '../../src/stores/transport.ts';
import { HistoryNotes } from '../../src/worker/history-notes.ts';
import { TaskEvents } from '../../src/worker/task-events.ts';
import { newStore } from './bench.ts';
import { someMessage } from './some-message.ts';

const message = someMessage();

interface Bench {
  readonly writer: HistoryWriter;
  readonly sender: EventSender;
  readonly notes: HistoryNotes;
  readonly events: TaskEvents;
  /** What the stream got since the last call. */
  told(): Promise<readonly WireEvent[]>;
}

async function newBench(): Promise<Bench> {
  const app = new App('shop', { broker: await newStore('memory') });
  onTestFinished(() => app.close());
  const transport = await app.broker();
  const stream = await transport.openHistoryStream?.({ limit: null });
  const reader = await stream?.register('here');
  const writer = await HistoryWriter.open(transport, 'auto', null);
  if (reader === undefined || writer === null) throw new Error('the memory store keeps a stream');
  const parts = { fanout: transport.fanout, exchange: app.exchanges.events, hostname: 'w@1' };
  const clocks = { lamport: new LamportClock(), clock: systemClock };
  const sender = new EventSender({ ...parts, ...clocks, logger: silentLogger, taskEvents: false });
  const notes = new HistoryNotes(writer, sender);
  onTestFinished(() => notes.flush());
  return {
    writer,
    sender,
    notes,
    events: new TaskEvents(sender, notes),
    told: async () => {
      notes.flush();
      await writer.flush();
      const { entries, acknowledge } = await reader.read(100);
      await acknowledge();
      return entries.flatMap(eventsIn);
    },
  };
}

function arriving(other: Json, crashes = 0): Pick<Delivery, 'queue' | 'crashes' | 'message'> {
  const wire = encodeTask(message);
  const value = { ...wire, properties: { ...wire.properties, other } };
  return { queue: 'mails', crashes, message: { ok: true, value } };
}

const types = (events: readonly WireEvent[]): readonly string[] => events.map(({ type }) => type);
const ran = ['task-received', 'task-started', 'task-succeeded'];

it('its end tells when it came and began, and leaves out the arguments that the history knows from its sender', async () => {
  const { writer, events, told } = await newBench();
  events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
  events.started(message);
  events.settled(events.ending(message, { kind: 'success', value: 5 }, 3, false));
  const all = await told();
  expect(types(all)).toEqual(ran);
  const times = all.map(({ timestamp }) => timestamp);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(all[0]).toMatchObject({
    uuid: message.id,
    hostname: 'w@1',
    name: 'shop.add',
    umbel: { queue: 'mails', attempt: 1 },
  });
  expect(all[0]).not.toHaveProperty('args');
});

it('its end tells all that its sender has not told, in one entry', async () => {
  const { events, told } = await newBench();
  const retried = someMessage({ rootId: 'first', parentId: 'before', retries: 2 });
  for (const [each, value] of [
    [message, null],
    [message, 5],
    [retried, 5],
  ] as const) {
    events.received(each, arriving({}));
    events.started(each);
    events.settled(events.ending(each, { kind: 'success', value }, 3, false));
    const all = await told();
    expect(types(all)).toEqual(ran);
    const { id, rootId, parentId, retries } = each;
    expect(all[0]).toMatchObject({
      ...{ uuid: id, root_id: rootId, name: 'shop.add', args: '(2, 3)', kwargs: '{}', retries },
      ...(parentId === null ? {} : { parent_id: parentId, eta: null }),
      umbel: { queue: 'mails', attempt: retries + 1, args: [2, 3] },
    });
    expect(all[2]).toMatchObject({ uuid: id, result: value === null ? 'None' : '5', runtime: 0.003 });
  }
});

it('a failure tells the arrival, too', async () => {
  const { events, told } = await newBench();
  events.received(message, arriving({}));
  events.started(message);
  events.settled(
    events.ending(message, { kind: 'failure', error: new Error('no paper'), expected: false }, 3, false),
  );
  const all = await told();
  expect(types(all)).toEqual(['task-received', 'task-started', 'task-failed']);
  expect(all[0]).toMatchObject({ root_id: message.id, umbel: { args: [2, 3] } });
});

it('a task that runs on is told of meanwhile, and its end tells that only', async () => {
  const { writer, events, told } = await newBench();
  events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
  expect(types(await told())).toEqual(['task-received']);
  events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
  events.started(message);
  expect(types(await told())).toEqual(['task-received', 'task-started']);
  events.settled(events.ending(message, { kind: 'success', value: 5 }, 3, false));
  expect(types(await told())).toEqual(['task-succeeded']);
});

it('its arrival is told also where its end was not settled, or has no event', async () => {
  const { writer, events, told } = await newBench();
  for (const outcome of [{ kind: 'success', value: 5 }, { kind: 'ignored' }] as const) {
    events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
    events.started(message);
    events.unsettled(events.ending(message, outcome, 3, false));
    expect(types(await told())).toEqual(['task-received', 'task-started']);
  }
});

it('a line that it logs comes after its arrival, and monitors that are switched on disturb nothing', async () => {
  const { writer, sender, events, told } = await newBench();
  events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
  events.started(message);
  events.logged(message, 'info', 'half');
  sender.on = true;
  events.settled(events.ending(message, { kind: 'success', value: 5 }, 3, false));
  expect(types(await told())).toEqual(['task-received', 'task-started', 'umbel-log', 'task-succeeded']);
  sender.on = false;
  events.received(message, arriving({ [sentNoteProperty]: writer.sentNote() }));
  sender.on = true;
  events.settled(events.ending(message, { kind: 'success', value: 5 }, 3, false));
  expect(types(await told())).toEqual(['task-received', 'task-succeeded']);
});

it('it is told whole if its note is old, of other readers or none, or if it was begun before', async () => {
  const { writer, events, told } = await newBench();
  const note = writer.sentNote() ?? '';
  const [readers, seconds] = note.split('.');
  const whole: readonly (readonly [unknown, number])[] = [
    [`${readers}.${Number(seconds) - 4_000}`, 0],
    [`0${readers?.slice(1)}x.${seconds}`, 0],
    [`${readers}.soon`, 0],
    [readers, 0],
    [7, 0],
    [undefined, 0],
    [note, 1],
  ];
  for (const [each, crashes] of whole) {
    events.received(message, arriving({ [sentNoteProperty]: each }, crashes));
    expect(await told()).toMatchObject([{ type: 'task-received', args: '(2, 3)', umbel: { args: [2, 3] } }]);
  }
});

it('where nothing travels, an entry has what happened to many tasks, and is shorter than 4,096 bytes', async () => {
  const appended: (readonly string[])[] = [];
  const stream: HistoryStream = {
    registered: async () => true,
    append: async (entries) => void appended.push(entries),
    register: () => Promise.reject(new Error('nobody registers here')),
    status: async () => null,
    close: async () => undefined,
  };
  const app = new App('shop', { broker: await newStore('memory') });
  onTestFinished(() => app.close());
  const transport = await app.broker();
  transport.openHistoryStream = async () => stream;
  const writer = await HistoryWriter.open(transport, 'auto', null);
  const event = (uuid: string, type = 'task-received'): string =>
    JSON.stringify({ type, uuid, hostname: 'w@1', timestamp: 5, pid: 1, text: uuid.repeat(40) });
  const ids = Array.from({ length: 20 }, (_, index) => `task-${index}`);
  const about = '[{"type":"umbel-ended","hostname":"w@1","timestamp":5,"name":"mail","queue":"q"';
  const frame = { start: `${about},"ends":[[`, between: '],[', end: ']]}]' };
  for (const id of ids) {
    writer?.append(ofEvents(`${event(id)},${event(id, 'task-started')}`));
    writer?.append({ frame, text: `"${id}",0,0,0,1,2` });
  }
  writer?.append(ofEvents(event('x'.repeat(200)))); // longer than all others together may be
  await writer?.flush();
  const [entries = [], ...more] = appended;
  expect(more).toEqual([]);
  expect(entries.length).toBeLessThan(9);
  expect(entries.toSorted((a, b) => a.length - b.length).at(-2)?.length).toBeLessThan(4_096);
  const told = entries.flatMap(eventsIn).map(({ uuid, type }) => `${uuid} ${type}`);
  const ends = ids.flatMap((id) => ran.map((type) => `${id} ${type}`));
  const each = ids.flatMap((id) => [`${id} task-received`, `${id} task-started`]);
  expect(told.toSorted()).toEqual([...each, ...ends, `${'x'.repeat(200)} task-received`].toSorted());
});
