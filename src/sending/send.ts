// The one way of calls to the broker: announce, encode, address, publish, notify.
import type { Json } from '../protocol/message.ts';
import type { Publication } from '../stores/transport.ts';
import { addressedCall, publicationsOf } from './address.ts';
import { announced, sendAfterPublish } from './announce.ts';
import { type EncodedCall, encodeCall } from './encode.ts';
import type { PreparedCall } from './prepare.ts';
import { type PublishRules, publishCalls, within } from './publish.ts';
import { withinLayers } from './send-layers.ts';
import type { SendingApp, Stores } from './sending-app.ts';
import { type SentEvents, sentEvents, tellSent, withHistory } from './sent-event.ts';

/** The differences between the ways to send. */
export interface Sending extends ReadyOptions {
  readonly rules: PublishRules;
  /**
   * Publishes in another way than all at once.
   * @param publish gives publications to the broker
   * @returns whether they were sent
   */
  readonly publish?: (publications: readonly Publication[], publish: Publish) => Promise<boolean>;
}

/** @param rules default: those of the whole send */
export type Publish = (publications: readonly Publication[], rules?: PublishRules) => Promise<void>;

export interface ReadyOptions {
  /** Null: the stores are open, and the caller sets the time limit. */
  readonly rules: PublishRules | null;
  /** Headers of our own for each call. Receivers of beforeTaskPublish neither see nor change them. */
  readonly headers?: Json;
  /** Writes what must be in the stores before the first call. */
  readonly before?: (stores: Stores) => Promise<void>;
}

/** Calls that are ready to be published. */
interface ReadyCalls {
  readonly calls: readonly EncodedCall[];
  readonly publications: readonly Publication[];
}

/**
 * Sends calls: if one of them cannot be encoded, none is sent.
 * @throws (or rejects with) NotSerializableError, PayloadTooLargeError, UnroutableError, BrokerUnavailable, the reason of the rules'
 * signal: nothing was sent. SendUnconfirmed: it is not known. And what `sending.publish` and middleware throw.
 */
export function send(app: SendingApp, calls: readonly PreparedCall[], sending: Sending): Promise<void> {
  const layers = app.middleware.send;
  return layers === null
    ? sendReady(app, calls, sending)
    : withinLayers(layers, calls, (all) => sendReady(app, all, sending));
}

function sendReady(app: SendingApp, calls: readonly PreparedCall[], sending: Sending): Promise<void> {
  const ready = made(app, calls, sending);
  return ready instanceof Promise
    ? ready.then((all) => publishReady(app, all, sending))
    : publishReady(app, ready, sending);
}

/** The first half of {@link send}. A promise only if there is something to wait for: calls of one tick should reach the broker together. */
export function readyCalls(
  app: SendingApp,
  calls: readonly PreparedCall[],
  readying: ReadyOptions,
): ReadyCalls | Promise<ReadyCalls> {
  const layers = app.middleware.send;
  if (layers === null || calls.length === 0) return made(app, calls, readying);
  return withinLayers(layers, calls, (all) => made(app, all, readying));
}

function made(
  app: SendingApp,
  calls: readonly PreparedCall[],
  readying: ReadyOptions,
): ReadyCalls | Promise<ReadyCalls> {
  // Encoded before the stores are opened: changes that the caller makes to its arguments meanwhile have no effect.
  if (!app.signals.beforeTaskPublish.connected) return opened(app, written(app, calls, readying), readying);
  return announced(app, calls).then((all) => opened(app, written(app, all, readying), readying));
}

/** The second half of {@link send}. */
export function publishReady(app: SendingApp, ready: ReadyCalls, sending: Sending): Promise<void> {
  const { rules, publish } = sending;
  const { stores } = app;
  if (stores === null) return within(app.open(), rules).then(() => publishReady(app, ready, sending));
  const { transport } = stores;
  const sent = sentEvents(app, ready.publications);
  const publications = sent === null ? ready.publications : withHistory(app, ready.publications, sent);
  if (publish !== undefined) {
    const some: Publish = (publications, own = rules) => publishCalls(transport, publications, own);
    return publish(publications, some).then((isSent) =>
      isSent ? notifyListeners(app, ready.calls, publications, sent) : undefined,
    );
  }
  const published = publishCalls(transport, publications, rules);
  return sent !== null || app.signals.afterTaskPublish.connected
    ? published.then(() => notifyListeners(app, ready.calls, publications, sent))
    : published;
}

function written(app: SendingApp, calls: readonly PreparedCall[], { headers }: ReadyOptions): EncodedCall[] {
  const [only] = calls; // see `addressed`
  if (calls.length === 1 && only !== undefined) return [encoded(app, only, headers)];
  return calls.map((call) => encoded(app, call, headers));
}

function encoded(app: SendingApp, call: PreparedCall, headers: Json | undefined): EncodedCall {
  const prepared = headers === undefined ? call : withHeaders(call, headers);
  return { prepared, wire: encodeCall(app, prepared.message, prepared.encoding) };
}

function withHeaders(call: PreparedCall, headers: Json): PreparedCall {
  return { ...call, message: { ...call.message, headers: { ...call.message.headers, ...headers } } };
}

function opened(
  app: SendingApp,
  calls: readonly EncodedCall[],
  readying: ReadyOptions,
): ReadyCalls | Promise<ReadyCalls> {
  const { rules, before } = readying;
  if (app.stores !== null && before === undefined) return addressed(app, calls, rules);
  return storesReady(app, readying).then(() => addressed(app, calls, rules));
}

async function storesReady(app: SendingApp, { rules, before }: ReadyOptions): Promise<void> {
  const stores = app.stores ?? (await inTime(app.open(), rules));
  if (before !== undefined) await inTime(before(stores), rules);
}

function addressed(
  app: SendingApp,
  calls: readonly EncodedCall[],
  rules: PublishRules | null,
): ReadyCalls | Promise<ReadyCalls> {
  const [only] = calls;
  // Most sends have one call: no lists are made for them.
  const publications =
    calls.length === 1 && only !== undefined ? addressedAs(app, only) : allAddressedAs(app, calls);
  if (!(publications instanceof Promise)) return { calls, publications };
  return inTime(publications, rules).then((found) => ({ calls, publications: found }));
}

type Publications = readonly Publication[];

function addressedAs(app: SendingApp, call: EncodedCall): Publications | Promise<Publications> {
  const found = addressedCall(app, call);
  return found instanceof Promise
    ? found.then((there) => publicationsOf(app, there))
    : publicationsOf(app, found);
}

function allAddressedAs(
  app: SendingApp,
  calls: readonly EncodedCall[],
): Publications | Promise<Publications> {
  const found = calls.map((call) => addressedAs(app, call));
  return areThere(found) ? found.flat() : Promise.all(found).then((all) => all.flat());
}

function areThere(
  found: readonly (Publications | Promise<Publications>)[],
): found is readonly Publications[] {
  return !found.some((each) => each instanceof Promise);
}

function inTime<T>(answer: Promise<T>, rules: PublishRules | null): Promise<T> {
  return rules === null ? answer : within(answer, rules);
}

async function notifyListeners(
  app: SendingApp,
  calls: readonly EncodedCall[],
  publications: readonly Publication[],
  sent: SentEvents | null,
): Promise<void> {
  if (sent !== null) tellSent(app, publications, sent);
  await sendAfterPublish(app, calls);
}
